"""What open-iscsi 2.1 says, and its exit codes (iscsi_err.h)."""

from __future__ import annotations

OK = 0
NOMEM = 3
IDBM = 6
INVALID = 7
TIMEOUT = 8
SESSION_EXISTS = 15
FATAL_LOGIN = 19
NOT_FOUND = 21
LOGIN_AUTH_FAILED = 24
NOT_SIMULATED = 64  # ours: iscsiadm has no such code

REASONS = {
    TIMEOUT: "connection timed out",
    FATAL_LOGIN: "encountered non-retryable iSCSI login failure",
    LOGIN_AUTH_FAILED: "iSCSI login failed due to authorization failure",
}

NO_SESSIONS = "iscsiadm: No active sessions."
NO_MATCHING_SESSIONS = "iscsiadm: No matching sessions found"
NO_SESSION = "iscsiadm: No session found."
NO_RECORDS = "iscsiadm: No records found"
NO_IFACE = "iscsiadm: Could not read iface info for {name}."
NO_IFACE_FILE = (
    "iSCSI ERROR: Failed to open /etc/iscsi/ifaces/{name} using read mode: "
    "2 No such file or directory # idbm.c:_idbm_recs_read():834"
)
BAD_NAME = (
    "iscsiadm: Cannot modify {name}. Invalid param name.\n"
    "iscsiadm: Could not execute operation on all records: invalid parameter"
)
IFACE_NEW = "{name} updated.\nNew interface {name} added"
IFACE_UPDATED = "{name} updated."
NODE_NEW = "New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if={iface}] {address},{port},-1 {target}] added"
IN_USE = (
    "iscsiadm: This command will remove the record [iface: {iface}, target: {target}, portal: "
    "{address},{port}], but a session is using it. Logout session then rerun command to remove record."
)
LOGGING_IN = "Logging in to [iface: {iface}, target: {target}, portal: {address},{port}]"
LOGGED_IN = "Login to [iface: {iface}, target: {target}, portal: {address},{port}] successful."
LOGIN_FAILED = (
    "iscsiadm: Could not login to [iface: {iface}, target: {target}, portal: {address},{port}].\n"
    "iscsiadm: initiator reported error ({code} - {reason})"
)
NOT_ALL_LOGINS = "iscsiadm: Could not log into all portals"
PRESENT = "iscsiadm: {iface}: 1 session requested, but 1 already present."
LOGGING_OUT = "Logging out of session [sid: {sid}, target: {target}, portal: {address},{port}]"
LOGGED_OUT = "Logout of [sid: {sid}, target: {target}, portal: {address},{port}] successful."
RESCANNING = "Rescanning session [sid: {sid}, target: {target}, portal: {address},{port}]"

IFACE_RECORD = """\
# BEGIN RECORD 2.1.8
iface.iscsi_ifacename = {name}
iface.net_ifacename = <empty>
iface.ipaddress = <empty>
iface.prefix_len = 0
iface.hwaddress = <empty>
iface.transport_name = tcp
iface.initiatorname = {initiator}
iface.state = <empty>
# END RECORD"""

TREE_HEAD = "iSCSI Transport Class version 2.0-870\nversion 2.1.8"
TREE_TARGET = "Target: {target} (non-flash)"
TREE_PORTAL = """\
\tCurrent Portal: {portal},1
\tPersistent Portal: {portal},1"""
TREE_SESSION = """\
\t\t**********
\t\tInterface:
\t\t**********
\t\tIface Name: {iface}
\t\tIface Transport: tcp
\t\tIface Initiatorname: {initiator}
\t\tIface IPaddress: 127.0.0.1
\t\tIface HWaddress: default
\t\tIface Netdev: default
\t\tSID: {sid}
\t\tiSCSI Connection State: {connection}
\t\tiSCSI Session State: {state}
\t\tInternal iscsid Session State: {internal}
\t\t*********
\t\tTimeouts:
\t\t*********
\t\tRecovery Timeout: {replacement_timeout}
\t\tTarget Reset Timeout: 30
\t\tLUN Reset Timeout: 30
\t\tAbort Timeout: 15
\t\t*****
\t\tCHAP:
\t\t*****
\t\tusername: <empty>
\t\tpassword: ********
\t\tusername_in: <empty>
\t\tpassword_in: ********
\t\t************************
\t\tNegotiated iSCSI params:
\t\t************************
\t\tHeaderDigest: None
\t\tDataDigest: None
\t\tMaxRecvDataSegmentLength: 262144
\t\tMaxXmitDataSegmentLength: 262144
\t\tFirstBurstLength: 262144
\t\tMaxBurstLength: 1048576
\t\tImmediateData: Yes
\t\tInitialR2T: No
\t\tMaxOutstandingR2T: 1
\t\t************************
\t\tAttached SCSI devices:
\t\t************************
\t\tHost Number: {sid}\tState: running"""
TREE_LUN = "\t\tscsi{sid} Channel 00 Id 0 Lun: {lun}"
TREE_DISK = "\t\t\tAttached scsi disk {disk}\t\tState: running"
