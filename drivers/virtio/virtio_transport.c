// SPDX-License-Identifier: GPL-2.0
/*
 * What recovery has to know about transports.
 *
 * struct virtio_config_ops reaches a device through its registers. Whether
 * there is a device behind them, and whether it may reach back, is a matter of
 * the bus below.
 */

#include <linux/device.h>
#include <linux/init.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_transport.h>
#include <linux/workqueue.h>

/*
 * Where devices are recovered. The memory that a new worker would need can be
 * what waits for the device, hence a rescuer.
 */
struct workqueue_struct *virtio_recovery_wq;
EXPORT_SYMBOL_GPL(virtio_recovery_wq);

static int __init virtio_transport_init(void)
{
	virtio_recovery_wq = alloc_workqueue("virtio_recovery",
					     WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!virtio_recovery_wq)
		virtio_recovery_wq = system_dfl_wq;
	return 0;
}
core_initcall(virtio_transport_init);

#ifdef CONFIG_PCI
#include <linux/pci.h>

static struct pci_dev *transport_pci_dev(struct virtio_device *vdev)
{
	struct device *parent = vdev->dev.parent;

	/* vDPA devices can have a PCI parent too, which is no transport. */
	if (!parent || !dev_is_pci(parent) || !parent->driver ||
	    strcmp(parent->driver->name, "virtio-pci"))
		return NULL;
	return to_pci_dev(parent);
}

static bool pci_present(struct virtio_device *vdev)
{
	struct pci_dev *pci_dev = transport_pci_dev(vdev);

	return !pci_dev || pci_device_is_present(pci_dev);
}

static void pci_reach(struct virtio_device *vdev)
{
	struct pci_dev *pci_dev = transport_pci_dev(vdev);
	u16 command;

	if (!pci_dev || !pci_is_enabled(pci_dev) ||
	    !pci_device_is_present(pci_dev))
		return;

	pci_read_config_word(pci_dev, PCI_COMMAND, &command);
	/* Virtual functions do not tell. */
	if (pci_dev->no_command_memory ||
	    command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
		return;
	pci_restore_state(pci_dev);
	if (pci_reenable_device(pci_dev))
		pci_dbg(pci_dev, "cannot be enabled again\n");
	/* Bus mastering may be in the state that was saved. */
	pci_clear_master(pci_dev);
}

static void pci_enable(struct virtio_device *vdev)
{
	struct pci_dev *pci_dev = transport_pci_dev(vdev);

	if (pci_dev && pci_is_enabled(pci_dev) &&
	    pci_device_is_present(pci_dev))
		pci_set_master(pci_dev);
}

static void pci_silence(struct virtio_device *vdev)
{
	struct pci_dev *pci_dev = transport_pci_dev(vdev);

	if (pci_dev && pci_device_is_present(pci_dev))
		pci_clear_master(pci_dev);
}
#else
static bool pci_present(struct virtio_device *vdev)
{
	return true;
}

static void pci_reach(struct virtio_device *vdev)
{
}

static void pci_enable(struct virtio_device *vdev)
{
}

static void pci_silence(struct virtio_device *vdev)
{
}
#endif

/**
 * virtio_transport_present - whether there is a device behind the transport
 * @vdev: a device that is registered
 *
 * Return: false if the device was pulled out; true if it was not, or if nobody
 * knows.
 */
bool virtio_transport_present(struct virtio_device *vdev)
{
	return pci_present(vdev);
}

/**
 * virtio_transport_sleeps - whether the system has put a device to sleep
 * @vdev: a device that is registered
 *
 * The registers of one that keeps its state can read then as if there were
 * none.
 *
 * Return: true from the end of its parent's suspend to the start of its resume,
 * when its bus has woken it up.
 */
bool virtio_transport_sleeps(struct virtio_device *vdev)
{
	struct device *parent = vdev->dev.parent;

	return parent && parent->power.is_suspended;
}

/**
 * virtio_transport_reach - let the driver reach the registers of a device
 * @vdev: a device that is registered
 *
 * After a function reset that nobody has announced, they are nowhere. The
 * device does not reach memory before virtio_transport_enable().
 */
void virtio_transport_reach(struct virtio_device *vdev)
{
	pci_reach(vdev);
}

/**
 * virtio_transport_enable - let a device reach memory
 * @vdev: a device that is about to be told to start
 *
 * Without bus mastering a PCI device neither reads nor writes its rings, and
 * it may have been switched off since the device was probed.
 */
void virtio_transport_enable(struct virtio_device *vdev)
{
	pci_enable(vdev);
}

/**
 * virtio_transport_silence - keep a device from memory
 * @vdev: a device that is registered
 *
 * For one that cannot be reset, as its registers do not answer, although it is
 * there.
 */
void virtio_transport_silence(struct virtio_device *vdev)
{
	pci_silence(vdev);
}
