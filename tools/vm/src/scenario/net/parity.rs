// SPDX-License-Identifier: GPL-2.0

//! The boots in which the driver of network cards is compared with the oracle.

use super::{DRIVERS, OTHER_MODEL};
use crate::machine::nic::Card;
use crate::scenario::{Flavour, Group, Kind, Parity, Scenario, Scope, minutes};

/// A card and the parameters with which both modules are loaded for it.
struct Configuration {
    name: &'static str,
    card: &'static str,
    /// Two values each: the other end of the wire may be the first board or the second one.
    parameters: &'static str,
}

const fn configuration(name: &'static str, card: &'static str, parameters: &'static str) -> Configuration {
    Configuration { name, card, parameters }
}

/// Everything that is compared.
const CONFIGURATIONS: [Configuration; 7] = [
    configuration("plain", "plain", ""),
    configuration("group", "group", ""),
    configuration(
        "chosen",
        "plain",
        "TxDescriptors=80,80+RxDescriptors=100,100+XsumRX=0,0+FlowControl=1,1+InterruptThrottleRate=1,1+\
         RxIntDelay=5,5+RxAbsIntDelay=6,6+TxIntDelay=7,7+TxAbsIntDelay=9,9+Speed=100,100+Duplex=2,2+\
         copybreak=0+debug=16",
    ),
    configuration("advertised", "plain", "AutoNeg=15,15+InterruptThrottleRate=20000,20000+SmartPowerDownEnable=1,1"),
    configuration(
        "invalid",
        "plain",
        "TxDescriptors=5,5+RxDescriptors=9999,9999+XsumRX=7,7+FlowControl=9,9+InterruptThrottleRate=50,50+\
         RxIntDelay=70000,70000+RxAbsIntDelay=70000,70000+TxIntDelay=70000,70000+TxAbsIntDelay=70000,70000+\
         Speed=7,7+Duplex=5,5+AutoNeg=64,64+SmartPowerDownEnable=3,3",
    ),
    configuration("silent", "plain", "debug=0"),
    configuration("model", "model", ""),
];

/// The configurations that `make soak` compares on the debug kernel: parameters, good ones and bad ones.
const FEW: [&str; 2] = ["chosen", "invalid"];

/// The other end of the wire.
const PEER: &str = "far";

/// The scenarios of this file.
pub fn scenarios() -> Vec<Scenario> {
    let mut whole = scenario("parity-net", "the C driver as oracle, on a network card", Scope::Whole);
    whole.group = Group::ParityNet;
    whole.kernel = Flavour::Plain;
    let mut part = scenario("parity-net-brief", "the C driver as oracle, on a card with parameters", Scope::Part);
    part.group = Group::Soak;
    vec![whole, part]
}

fn scenario(name: &'static str, about: &'static str, scope: Scope) -> Scenario {
    let compared = |c: &&Configuration| scope == Scope::Whole || FEW.contains(&c.name);
    let chosen: Vec<&Configuration> = CONFIGURATIONS.iter().filter(compared).collect();
    let group = Card { mac: "01:00:5e:00:00:01".into(), ..Card::new("group") };
    let mut scenario = Scenario::debug(name, about, "net-parity")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .var("configurations", parameters(&chosen));
    let mut cards = vec![Card::new("plain"), group, Card::new("model").model(OTHER_MODEL)];
    cards.retain(|card| chosen.iter().any(|configuration| configuration.card == card.name));
    for card in cards.into_iter().chain([Card::new(PEER)]) {
        scenario = scenario.card(card);
    }
    let configurations = chosen.iter().map(|configuration| configuration.name.to_owned()).collect();
    scenario.parity = Some(Parity { kind: Kind::Cards, scope, configurations });
    scenario.limit = minutes(40);
    scenario
}

/// The configurations as the guest script takes them: `NAME:CARD:PARAMETER=VALUE+…/NAME:…`.
fn parameters(chosen: &[&Configuration]) -> String {
    let one = |c: &&Configuration| format!("{}:{}:{}", c.name, c.card, c.parameters);
    chosen.iter().map(one).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(name: &str) -> Scenario {
        scenarios().into_iter().find(|scenario| scenario.name == name).unwrap()
    }

    #[test]
    fn each_configuration_has_a_card_and_the_last_card_is_the_other_end() {
        for (name, count) in [("parity-net", CONFIGURATIONS.len()), ("parity-net-brief", FEW.len())] {
            let scenario = by_name(name);
            let compared = &scenario.parity.as_ref().unwrap().configurations;
            assert_eq!(compared.len(), count);
            for name in compared {
                let configuration = CONFIGURATIONS.iter().find(|configuration| configuration.name == name).unwrap();
                let fits = |card: &Card| card.name == configuration.card && card.name != PEER;
                assert!(scenario.cards.iter().any(fits), "{name}");
            }
            assert_eq!(scenario.cards.last().unwrap().name, PEER);
        }
    }

    #[test]
    fn the_kernel_can_be_told_of_every_configuration() {
        // See the test of the same name for disks.
        let words = by_name("parity-net").cmdline(&[], &Default::default());
        assert!(words.len() < 1700, "{}", words.len());
        assert!(words.contains("plain:plain:/group:"), "{words}");
    }
}
