/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included in detach_buf_split_in_order(), at the start of the loop that
 * goes from descriptor to descriptor of a buffer.
 *
 * The loop goes on as long as there is VRING_DESC_F_NEXT in the descriptor
 * table, where the device can put it. Links that are not ours lead into other
 * buffers and, when all descriptors have one, round in a circle.
 */
if (unlikely(!(extra[i].flags & VRING_DESC_F_NEXT)))
	break;
