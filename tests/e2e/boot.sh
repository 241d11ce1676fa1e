#!/bin/bash
# PID 1 of a throw-away host: boot.sh TREE NAME, in new mount, pid, uts, ipc, net and cgroup namespaces.
# A copy-on-write image of this machine with TREE laid over it; becomes systemd. All of it goes with the namespaces.
set -e
tree=$1 name=$2
mount --make-rprivate /
base=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$base"
mkdir "$base"/{up,work,root}
cp -a "$tree/." "$base/up/"
for hidden in root home mnt srv work tmp; do
    [ ! -e "/$hidden" ] || mknod "$base/up/$hidden" c 0 0
done
root=$base/root
mount -t overlay -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" overlay "$root"
mkdir -p "$root"/{root,home,tmp} && chmod 1777 "$root/tmp"

# An identity of its own, and none of this machine's services.
rm -f "$root"/etc/{machine-id,hostname,resolv.conf} "$root/var/lib/dbus/machine-id" "$root/usr/sbin/policy-rc.d"
systemd-id128 new >"$root/etc/machine-id"
echo "$name" >"$root/etc/hostname"
: >"$root/etc/resolv.conf"
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/rc?.d/S* "$root/var/log/journal"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for i in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${i%%:*}" "$root/dev/${i#*:}"
done
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
# Only version 2, rooted at our own group: with version 1 in sight systemd would make groups in this machine's root.
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
for kernel in /proc/sys/kernel /proc/sys/vm /proc/sys/fs; do
    mount --bind "$root$kernel" "$root$kernel"
    mount -o remount,bind,ro "$root$kernel"
done
hostname "$name"
ip link set lo up
cd "$root"
mkdir .old
pivot_root . .old
umount -l /.old
rmdir /.old
mount --make-rshared / # left to the container's manager; LoadCredential= needs it
exec env -i container=lps-test PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 /lib/systemd/systemd --system
