// SPDX-License-Identifier: GPL-2.0
#include <linux/container_of.h>
#include <linux/types.h>

/* What somebody else defines, and calls through. */
struct keeper_ops {
	void (*keep)(struct list_head *member, u32 number);
	u32 (*tell)(struct list_head *member);
};

/* What the implementation has. */
struct sum {
	u32 sum;
	struct list_head member;
};

static void sum_keep(struct list_head *member, u32 number)
{
	struct sum *this = container_of(member, struct sum, member);

	this->sum += number;
}

extern const struct keeper_ops sum_ops_c;
const struct keeper_ops sum_ops_c = {
	.keep = sum_keep,
};
