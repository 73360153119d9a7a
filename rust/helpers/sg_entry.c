// SPDX-License-Identifier: GPL-2.0

#if defined(CONFIG_RUST_VIRTIO_ABSTRACTIONS) || defined(CONFIG_RUST_BLK_MQ_ABSTRACTIONS)
#include <linux/scatterlist.h>

__rust_helper void rust_helper_sg_set_buf(struct scatterlist *sg,
					  const void *buf, unsigned int len)
{
	sg_set_buf(sg, buf, len);
}

__rust_helper void rust_helper_sg_mark_end(struct scatterlist *sg)
{
	sg_mark_end(sg);
}

__rust_helper void rust_helper_sg_unmark_end(struct scatterlist *sg)
{
	sg_unmark_end(sg);
}

__rust_helper void rust_helper_sg_set_page(struct scatterlist *sg,
					   struct page *page, unsigned int len,
					   unsigned int offset)
{
	sg_set_page(sg, page, len, offset);
}
#endif
