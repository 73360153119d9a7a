// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers of the abstractions of this overlay, one file for each family of
 * C headers.
 *
 * Sorted alphabetically.
 */

#include "block.c"
#include "dma_streaming.c"
#include "netdevice.c"
#include "pci_lifecycle.c"
#include "pm_wakeup.c"
#include "sched_mm.c"
#include "sg_entry.c"
#include "skbuff.c"
#include "virt_addr.c"
#include "virtio.c"
#include "virtio_fake.c"
