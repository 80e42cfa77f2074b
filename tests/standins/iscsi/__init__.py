"""
A stand-in for open-iscsi: iscsiadm, iscsid and the kernel's iSCSI initiator in one.

It understands exactly the calls that the driver makes and says so loudly about any other. Its
texts and exit codes are those of open-iscsi 2.1. A login speaks JSON over TCP to a simulated
portal; the open connection is the session, and each LUN becomes a loop device (without root: a
link to the file behind the LUN). Everything is kept below $STANDIN_STATE:

    ifaces/NAME                        records of interfaces, JSON
    etc/iscsi/nodes/TARGET/PORTAL      records of targets, in the form in which open-iscsi has them
    sessions/SID.json, SID.sock        one running session and how to talk to its holder
    sys/block/sdX/device/vpd_pg80      what /sys would show
    dev/sdX                            link to the device
    holder.log                         what the session holders have to say

It runs on the system's Python without any package.
"""
