// SPDX-License-Identifier: GPL-2.0

#if defined(CONFIG_RUST_BLK_MQ_ABSTRACTIONS) || \
	defined(CONFIG_RUST_VIRTIO_ABSTRACTIONS)
#include <linux/sched/mm.h>

__rust_helper unsigned int rust_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

__rust_helper void rust_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}
#endif
