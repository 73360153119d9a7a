/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a vDPA device is. A part of
 * virtio_vdpa.c.
 */

static u32 virtio_vdpa_config_len(struct virtio_device *vdev)
{
	struct vdpa_device *vdpa = vd_get_vdpa(vdev);

	return vdpa->config->get_config_size(vdpa);
}
