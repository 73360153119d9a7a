/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers whose parts are in the ring itself, also where tables are known. */
#ifndef _LINUX_VIRTIO_RING_DIRECT_H
#define _LINUX_VIRTIO_RING_DIRECT_H

#include <linux/types.h>

struct scatterlist;
struct virtqueue;

int virtqueue_add_sgs_direct(struct virtqueue *_vq, struct scatterlist *sgs[],
			     unsigned int total_sg, unsigned int out_sgs,
			     unsigned int in_sgs, void *data);

int virtqueue_add_sgs_indirect(struct virtqueue *_vq,
			       struct scatterlist *sgs[],
			       unsigned int total_sg, unsigned int out_sgs,
			       unsigned int in_sgs, void *data, gfp_t gfp);

void *virtqueue_get_buf_direct(struct virtqueue *_vq, unsigned int *len);

void *virtqueue_detach_unused_buf_direct(struct virtqueue *_vq);

#endif /* _LINUX_VIRTIO_RING_DIRECT_H */
