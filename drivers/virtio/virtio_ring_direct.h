/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included at the end of virtio_ring.c.
 *
 * An indirect table is allocated for each buffer of more than one part, which
 * costs more instructions than the whole way from a driver to the ring. Where
 * there is room, the parts can as well be in the ring itself: both kinds are
 * told apart for each buffer when it comes out.
 */
#ifdef CONFIG_RUST_VIRTIO_ABSTRACTIONS
#include <linux/virtio_ring_direct.h>

/**
 * virtqueue_add_sgs_direct - expose buffers to the other end, in the ring itself
 * @_vq: the virtqueue
 * @sgs: array of terminated scatterlists
 * @total_sg: the number of entries in all of them
 * @out_sgs: the number of scatterlists that the other side reads
 * @in_sgs: the number of scatterlists that it writes, behind the former
 * @data: what identifies the buffer
 * @direct: whether each entry is to take a descriptor of the ring, or all of
 *	them an indirect table, if the device knows such
 * @gfp: how to allocate that
 *
 * Callers serialize this with other operations on the virtqueue, as for
 * virtqueue_add_sgs(). What is decided for one buffer does not count for others.
 *
 * Return: 0, or what virtqueue_add_sgs() returns.
 */
int virtqueue_add_sgs_direct(struct virtqueue *_vq,
			     struct scatterlist *sgs[],
			     unsigned int total_sg,
			     unsigned int out_sgs,
			     unsigned int in_sgs,
			     void *data,
			     bool direct,
			     gfp_t gfp)
{
	struct vring_virtqueue *vq = to_vvq(_vq);
	bool indirect = vq->indirect;
	int ret;

	vq->indirect = indirect && !direct;
	ret = virtqueue_add(_vq, sgs, total_sg, out_sgs, in_sgs, data, NULL,
			    false, gfp, 0);
	vq->indirect = indirect;
	return ret;
}
EXPORT_SYMBOL_GPL(virtqueue_add_sgs_direct);
#endif
