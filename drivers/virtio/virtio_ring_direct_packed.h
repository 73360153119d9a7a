/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included by virtio_ring_direct.h: packed rings that do not go in order,
 * and whose buffers are not mapped. Tables are made by virtio_ring.c.
 */

/* Whether buffers are added and taken out here. */
static __always_inline bool direct_is_packed(const struct vring_virtqueue *vq)
{
	return vq->layout == VQ_LAYOUT_PACKED && !vq->use_map_api;
}

/* How far a buffer is described. */
struct direct_packed {
	/* The next place in the ring, and what makes it available. */
	unsigned int place;
	u16 avail;
	/* The number of the descriptor there, and that of the one before. */
	u16 id;
	u16 last;
	/* The entries that are left. */
	unsigned int left;
};

/* Describes lists. What is at the place head gets no flags yet. */
static __always_inline void direct_fill_packed(struct vring_virtqueue *vq,
					       struct scatterlist *sgs[],
					       unsigned int count, u16 flags,
					       unsigned int head, u16 id,
					       struct direct_packed *at)
{
	struct vring_desc_extra *extra = vq->packed.desc_extra;
	unsigned int n;

	for (n = 0; n < count; n++) {
		struct scatterlist *sg = sgs[n];

		for (;;) {
			struct vring_packed_desc *desc =
				&vq->packed.vring.desc[at->place];

			desc->addr = cpu_to_le64(direct_addr(sg, flags));
			desc->len = cpu_to_le32(sg->length);
			desc->id = cpu_to_le16(id);
			at->left--;
			if (at->place != head)
				desc->flags = cpu_to_le16(at->avail | flags |
					(at->left ? VRING_DESC_F_NEXT : 0));

			at->last = at->id;
			at->id = extra[at->id].next;
			if (unlikely(++at->place >= vq->packed.vring.num)) {
				at->place = 0;
				at->avail ^= 1 << VRING_PACKED_DESC_F_AVAIL |
					     1 << VRING_PACKED_DESC_F_USED;
			}
			if (sg_is_last(sg))
				break;
			sg = direct_next(sg);
		}
	}
}

static int direct_add_packed(struct vring_virtqueue *vq,
			     struct scatterlist *sgs[], unsigned int total_sg,
			     unsigned int out_sgs, unsigned int in_sgs,
			     void *data)
{
	unsigned int head = vq->packed.next_avail_idx, id = vq->free_head;
	struct direct_packed at = {
		.place = head,
		.avail = vq->packed.avail_used_flags,
		.id = id,
		.left = total_sg,
	};
	struct vring_desc_state_packed *state = &vq->packed.desc_state[id];
	u16 flags = at.avail | (out_sgs ? 0 : VRING_DESC_F_WRITE) |
		    (total_sg > 1 ? VRING_DESC_F_NEXT : 0);

	START_USE(vq);

	if (unlikely(vq->broken)) {
		END_USE(vq);
		return -EIO;
	}

	LAST_ADD_TIME_UPDATE(vq);

	if (unlikely(vq->vq.num_free < total_sg)) {
		END_USE(vq);
		return -ENOSPC;
	}

	direct_fill_packed(vq, sgs, out_sgs, 0, head, id, &at);
	direct_fill_packed(vq, sgs + out_sgs, in_sgs, VRING_DESC_F_WRITE, head,
			   id, &at);

	if (at.place <= head)
		vq->packed.avail_wrap_counter ^= 1;
	vq->packed.avail_used_flags = at.avail;
	vq->packed.next_avail_idx = at.place;
	vq->free_head = at.id;
	vq->vq.num_free -= total_sg;

	state->data = data;
	state->indir_desc = NULL;
	state->num = total_sg;
	state->last = at.last;

	/* The device sees a buffer as soon as it sees the first descriptor. */
	virtio_wmb(vq->weak_barriers);
	vq->packed.vring.desc[head].flags = cpu_to_le16(flags);
	vq->num_added += total_sg;

	END_USE(vq);
	return 0;
}

/* Frees the table of a buffer that is taken out. Returns its data. */
static noinline void *
direct_free_packed_table(struct vring_desc_state_packed *state, void *data)
{
	kfree(state->indir_desc);
	state->indir_desc = NULL;
	return data;
}

/* Takes a used buffer out. */
static void *direct_get_packed(struct vring_virtqueue *vq, unsigned int *len)
{
	u16 last = vq->last_used_idx, place = packed_last_used(last), id;
	struct vring_desc_state_packed *state;
	void *data;

	START_USE(vq);

	if (unlikely(vq->broken) || !more_used_packed(vq)) {
		END_USE(vq);
		return NULL;
	}

	/* The device has written the rest of a descriptor before its flags. */
	virtio_rmb(vq->weak_barriers);

	id = vring_read_packed_desc_id(vq, place);
	*len = vring_read_packed_desc_len(vq, place);

	if (unlikely(id >= vq->packed.vring.num))
		return direct_bad_id(vq, id, vq->packed.vring.num);
	state = &vq->packed.desc_state[id];
	data = state->data;
	if (unlikely(!data))
		return direct_bad_id(vq, id, vq->packed.vring.num);

	state->data = NULL;
	vq->packed.desc_extra[state->last].next = vq->free_head;
	vq->free_head = id;
	vq->vq.num_free += state->num;
	update_last_used_idx_packed(vq, id, place,
				    packed_used_wrap_counter(last));

	LAST_ADD_TIME_INVALID(vq);

	END_USE(vq);

	if (state->indir_desc)
		return direct_free_packed_table(state, data);
	return data;
}
