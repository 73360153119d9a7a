// SPDX-License-Identifier: GPL-2.0
//! What the server is asked: names in drivers, samples and abstractions, and where they must lead.

use serde_json::{Value, json};

/// A name, and what has to be known about it.
pub struct Question {
    /// The file, from the root of the tree.
    pub file: &'static str,
    /// A part of the line that has the name; the first such line is meant.
    pub line: &'static str,
    /// The name.
    pub name: &'static str,
    /// The end of the name of the file that defines it.
    pub defined_in: &'static str,
    /// A part of what is shown beside it.
    pub shows: &'static str,
}

impl Question {
    /// The question in words.
    pub fn title(&self) -> String {
        format!("{}: {} is defined in {}", self.file, self.name, self.defined_in)
    }
}

/// All questions.
pub const QUESTIONS: &[Question] = &[
    Question {
        file: "drivers/block/virtio_blk_rs/queue.rs",
        line: "let notify = locked.kick_prepare();",
        name: "kick_prepare",
        defined_in: "rust/kernel/virtio/queue/locked.rs",
        shows: "fn kick_prepare",
    },
    Question {
        file: "drivers/block/virtio_blk_rs/queue.rs",
        line: "let _ = queue.notify();",
        name: "notify",
        defined_in: "rust/kernel/virtio/queue.rs",
        shows: "fn notify",
    },
    Question {
        file: "drivers/net/ethernet/intel/e1000_rs/interrupt.rs",
        line: "self.hw.read_known::<{ regs::ICR }>();",
        name: "ICR",
        defined_in: "e1000_rs/regs.rs",
        shows: "ICR",
    },
    Question {
        file: "drivers/net/ethernet/intel/e1000_rs/interrupt.rs",
        line: "self.netdev.napi_schedule()",
        name: "napi_schedule",
        defined_in: "rust/kernel/net/napi/control.rs",
        shows: "fn napi_schedule",
    },
    Question {
        file: "samples/rust/rust_virtio_rng.rs",
        line: "impl virtio::Driver for RngDriver",
        name: "Driver",
        defined_in: "rust/kernel/virtio/driver.rs",
        shows: "trait Driver",
    },
    Question {
        file: "samples/rust/rust_ramdisk.rs",
        line: "NewDisk::new(",
        name: "new",
        defined_in: "rust/kernel/block/blk_mq/new_disk.rs",
        shows: "fn new",
    },
    // Drivers have no such name: what they call is safe.
    Question {
        file: "samples/rust/book/book_layout.rs",
        line: "size_of::<bindings::virtio_device>()",
        name: "virtio_device",
        defined_in: "rust/bindings/bindings_generated.rs",
        shows: "struct virtio_device",
    },
    Question {
        file: "rust/kernel/virtio/queue/ring.rs",
        line: "bindings::virtqueue_get_vring_size(",
        name: "virtqueue_get_vring_size",
        defined_in: "rust/bindings/bindings_generated.rs",
        shows: "fn virtqueue_get_vring_size",
    },
    Question {
        file: "rust/kernel/block/blk_mq/request/ending.rs",
        line: "bindings::blk_mq_end_request(",
        name: "blk_mq_end_request",
        defined_in: "rust/bindings/bindings_generated.rs",
        shows: "fn blk_mq_end_request",
    },
    Question {
        file: "rust/kernel/block/blk_mq/request/ending.rs",
        line: "bindings::percpu_ref_get(",
        name: "percpu_ref_get",
        defined_in: "rust/bindings/bindings_helpers_generated.rs",
        shows: "fn percpu_ref_get",
    },
];

/// Those about a new virtio driver outside of the tree.
pub const NEW_DRIVER: &[Question] = &[
    Question {
        file: "my_driver.rs",
        line: "queue.lock();",
        name: "lock",
        defined_in: "rust/kernel/virtio/queue.rs",
        shows: "fn lock",
    },
    Question {
        file: "my_driver.rs",
        line: "parts.device_writable(bytes)",
        name: "device_writable",
        defined_in: "rust/kernel/virtio/parts.rs",
        shows: "fn device_writable",
    },
    Question {
        file: "my_driver.rs",
        line: "bits::count(filled)",
        name: "count",
        defined_in: "logic/src/bits.rs",
        shows: "fn count",
    },
    Question {
        file: "my_driver.rs",
        line: "pr_info!(",
        name: "pr_info",
        defined_in: "rust/kernel/print.rs",
        shows: "pr_info",
    },
    Question {
        file: "my_driver.rs",
        line: "kernel::module_virtio_driver! {",
        name: "module_virtio_driver",
        defined_in: "rust/kernel/virtio.rs",
        shows: "module_virtio_driver",
    },
];

/// Where a name is, as the protocol counts: lines and UTF-16 units from 0.
pub fn position(text: &str, part: &str, name: &str) -> Option<Value> {
    let (number, line) = text.lines().enumerate().find(|(_, line)| line.contains(part))?;
    let at = line.find(part)? + part.find(name)?;
    let units: usize = line[..at].chars().map(char::len_utf16).sum();
    Some(json!({ "line": number, "character": units }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_within_its_part_of_a_line() {
        let text = "x\n    let ö = a.b(b);\n";
        assert_eq!(position(text, "a.b(", "b"), Some(json!({ "line": 1, "character": 14 })));
        assert_eq!(position(text, "c", "c"), None);
    }

    #[test]
    fn each_question_is_about_a_file_that_is_there() {
        let repo = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        for question in QUESTIONS {
            let text = std::fs::read_to_string(repo.join(question.file)).unwrap();
            assert!(position(&text, question.line, question.name).is_some(), "{}", question.title());
        }
        let template = std::fs::read_to_string(repo.join("tools/templates/virtio/__name__.rs")).unwrap();
        for question in NEW_DRIVER {
            assert!(position(&template, question.line, question.name).is_some(), "{}", question.title());
        }
    }
}
