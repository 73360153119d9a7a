# SPDX-License-Identifier: GPL-2.0
# kexec with a kernel that is as small as can be: it says so on the first serial port, and ends the machine by a reset.
# `kexec.pl load` loads it, `kexec.pl exec` goes over to it. Numbers are those of x86-64.

my ($sys_reboot, $sys_kexec_load, $kexec_arch_x86_64) = (169, 246, 62 << 16);
my ($reboot_magic1, $reboot_magic2, $reboot_cmd_kexec) = (0xfee1dead, 672274793, 0x45584543);
# Where it is loaded, and its size: a page.
my ($address, $page) = (0x2000000, 4096);

# mov dx, 0x3fd; wait: in al, dx; test al, 0x20; jz wait; mov dx, 0x3f8; mov al, BYTE; out dx, al
sub say_byte {
	return "\x66\xba\xfd\x03\xec\xa8\x20\x74\xfb\x66\xba\xf8\x03\xb0" . $_[0] . "\xee";
}

my $code = join('', map { say_byte($_) } split(//, "\r\nvmtest: the next kernel runs\r\n"));
# mov dx, 0xcf9; mov al, 6; out dx, al; stop: hlt; jmp stop
$code .= "\x66\xba\xf9\x0c\xb0\x06\xee\xf4\xeb\xfd";

my $what = shift // '';
if ($what eq 'load') {
	my $kernel = $code . "\0" x ($page - length $code);
	# struct kexec_segment
	my $segment = pack('P Q Q Q', $kernel, $page, $address, $page);
	syscall($sys_kexec_load, $address, 1, $segment, $kexec_arch_x86_64) == 0 or die "kexec_load: $!\n";
} elsif ($what eq 'exec') {
	syscall($sys_reboot, $reboot_magic1, $reboot_magic2, $reboot_cmd_kexec, 0);
	die "reboot: $!\n";
} else {
	die "load or exec\n";
}
