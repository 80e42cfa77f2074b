"""
Every text that ctld, CTL, ctladm, service and sysrc print, in one place.

The words are FreeBSD's (usr.sbin/ctld, usr.sbin/ctladm, sys/cam/ctl, libexec/rc/rc.subr,
usr.sbin/sysrc); `%s` became `{}`. Texts that differ between releases carry the release in their
name.
"""

# --- ctld: starting, stopping, signals ---------------------------------------------------------
CTLD_USAGE = "usage: ctld [-d][-u][-f config-file]\n       ctld -t [-u][-f config-file]\n"
CONFIGURATION_ERROR_EXITING = "configuration error; exiting"
CONFIGURATION_ERROR_CONTINUING = "configuration error, continuing with old configuration"
FAILED_TO_APPLY = "failed to apply configuration; exiting"
FAILED_TO_RELOAD = "failed to reload configuration"
EXITING_ON_SIGNAL = "exiting on signal"
ALREADY_RUNNING = "daemon already running, pid: {}."
OPEN_DEVICE_FAILED = "failed to open /dev/cam/ctl: {}"
OPEN_FILE_FAILED = "unable to open configuration file {}: {}"
PORTS_ERROR_EXITING = "Error associating physical ports; exiting"
PORTS_ERROR_CONTINUING = "Error associating physical ports, continuing with old configuration"
WORLD_WRITABLE = "{} is world-writable"
WORLD_READABLE = "{} is world-readable"
WORLD_EXECUTABLE = "{} is world-executable"

# --- ctld: the file ----------------------------------------------------------------------------
AT_LINE = "error in configuration file at line {} near '{}': {}"
SYNTAX_ERROR = "syntax error"
INVALID_NUMBER = "invalid numeric value"
PIDFILE_TWICE = "pidfile specified more than once"
INVALID_ISNS_ADDRESS = "invalid iSNS address {}"
DUPLICATED_OPTION = 'duplicated option "{}"'

DUPLICATED_AUTH_GROUP = 'duplicated auth-group "{}"'
INVALID_AUTH_TYPE = 'invalid auth-type "{}" for {}'
AUTH_TYPE_CONFLICT = 'cannot set auth-type to "{}" for {}; already has a different type'
MIXED_AUTH = 'cannot mix "{}" authentication with other types for {}'
DUPLICATE_CREDENTIALS = 'duplicate credentials for user "{}" for {}'
INVALID_INITIATOR_PORTAL = 'invalid initiator portal "{}" for {}'
INVALID_INITIATOR_PORTAL_14 = 'incorrect initiator portal "{}"'
SECRET_TOO_LONG = '{} for user "{}", {}, is too long; it should be at most 16 characters long'
SECRET_TOO_SHORT = '{} for user "{}", {}, is too short; it should be at least 12 characters long'
AUTH_GROUP_UNUSED = 'auth-group "{}" not assigned to any target'

DUPLICATED_PORTAL_GROUP = 'duplicated portal-group "{}"'
INVALID_LISTEN = "invalid listen address {}"
DISCOVERY_AUTH_GROUP_TWICE = 'discovery-auth-group for portal-group "{}" specified more than once'
UNKNOWN_DISCOVERY_AUTH_GROUP = 'unknown discovery-auth-group "{}" for portal-group "{}"'
INVALID_FILTER = (
    'invalid discovery-filter "{}" for portal-group "{}"; valid values are "none", "portal", '
    '"portal-name", and "portal-name-auth"'
)
FILTER_CONFLICT = 'cannot set discovery-filter to "{}" for portal-group "{}"; already has a different value'
OFFLOAD_TWICE = 'cannot set offload to "{}" for portal-group "{}"; already defined'
REDIRECTION_TWICE = 'cannot set redirection to "{}" for portal-group "{}"; already defined'
INVALID_DSCP = 'invalid DSCP value {} for portal-group "{}"'
INVALID_DSCP_14 = "invalid dscp value"
INVALID_PCP_14 = "invalid pcp value"
INVALID_PCP = 'invalid PCP value {} for portal-group "{}"'
PORTAL_GROUP_UNUSED = 'portal-group "{}" not assigned to any target'

DUPLICATED_TARGET = 'duplicated target "{}"'
TARGET_NAME_INVALID_14 = 'target name "{}" is invalid'
OVERLONG_TARGET = 'overlong name for target "{}"; max length allowed by iSCSI specification is 223 characters'
INVALID_TARGET_CHARACTER = (
    "invalid character \"{}\" in target name \"{}\"; allowed characters are letters, digits, '-', '.', and ':'"
)
INVALID_HEX_CHARACTER = 'invalid character "{}" in target name "{}"; allowed characters are 1-9 and A-F'
INVALID_EUI = 'invalid target name "{}"; the "eui." should be followed by exactly 16 hexadecimal digits'
INVALID_NAA = 'invalid target name "{}"; the "naa." should be followed by at most 32 hexadecimal digits'
INVALID_TARGET_PREFIX = 'invalid target name "{}"; should start with either "iqn.", "eui.", or "naa."'
ALIAS_TWICE = 'alias for target "{}" specified more than once'
AUTH_GROUP_TWICE = 'auth-group for target "{}" specified more than once'
AUTH_GROUP_AND_EXPLICIT = 'cannot use both auth-group and explicit authorisations for target "{}"'
UNKNOWN_AUTH_GROUP = 'unknown auth-group "{}" for target "{}"'
BOTH_AUTH_GROUP_AND = 'cannot use both auth-group and {} for target "{}"'
UNKNOWN_PORTAL_GROUP = 'unknown portal-group "{}" for target "{}"'
DUPLICATE_PORT = 'duplicate port "{}"'
CANNOT_LINK = 'can\'t link portal-group "{}" to target "{}"'
MULTIPLE_PHYSICAL_PORTS = 'cannot set multiple physical ports for target "{}"'
UNKNOWN_PORT = 'unknown port "{}" for target "{}"'
TARGET_REDIRECTION_TWICE = 'cannot set redirection to "{}" for target "{}"; already defined'
LUN_TOO_BIG_14 = "LU number is too big"
LUN_TOO_BIG = 'LUN {} too big for target "{}"'
DUPLICATE_LUN_NUMBER = 'duplicate LUN {} for target "{}"'
UNKNOWN_LUN = 'unknown LUN named {} used for target "{}"'
NO_LUNS = 'no LUNs defined for target "{}"'

DUPLICATED_LUN = 'duplicated lun "{}"'
LUN_KEY_TWICE = '{} for lun "{}" specified more than once'
INVALID_DEVICE_TYPE = 'invalid device-type "{}" for lun "{}"'
MISSING_PATH = 'missing path for lun "{}"'
MISSING_RAMDISK_SIZE = 'missing size for ramdisk-backed lun "{}"'
RAMDISK_PATH = 'path must not be specified for ramdisk-backed lun "{}"'
INVALID_BLOCKSIZE_14 = 'invalid blocksize for lun "{}"; must be larger than 0'
INVALID_BLOCKSIZE = 'invalid blocksize {} for lun "{}"; must be larger than 0'
INVALID_SIZE = 'invalid size for lun "{}"; must be multiple of blocksize'

# --- ctld: the file in UCL (usr.sbin/ctld/uclparse.c of 14, uclparse.cc of 15) -------------------
UCL_PARSE_FAILED = "unable to parse configuration file {}: {}"
# 14 adds what errno happens to say.
UCL_PARSE_FAILED_14 = "unable to parse configuration file {}: {}: {}"
UCL_NOT_INTEGER = '"{}" property value is not integer'
UCL_PIDFILE_NOT_STRING = '"pidfile" property value is not string'
UCL_ISNS_NOT_ARRAY = '"isns-server" property value is not an array'
UCL_SECTION_NOT_OBJECT = '"{}" section is not an object'
UCL_NOT_ARRAY_14 = '"{}" property of auth-group "{}" is not an array'
UCL_NOT_ARRAY_OR = '"{}" property of {} "{}" is not an array or {}'
UCL_STRING_MISSING = '{} section in {} "{}" is missing "{}" string key'
UCL_NOT_STRING = '"{}" property of {} "{}" is not a string'
UCL_GROUP_OPTIONS = '"options" property of portal group "{}" is not an object'
UCL_DSCP_TYPE = '"dscp" property of portal group "{}" is not a string or integer'
UCL_DSCP_WORD = '"dscp" property value is not a supported textual value'
UCL_GROUP_NOT_INTEGER = '"{}" property of portal group "{}" is not an integer'
UCL_INVALID_PCP_14 = 'invalid "pcp" value {}, using default'
UCL_TARGET_GROUP_TYPE = 'portal-group section in target "{}" must be an object or string'
UCL_TARGET_GROUP_AUTH = '"auth-group-name" property in portal-group section for target "{}" is not a string'
UCL_LUN_NUMBER_MISSING = 'lun section in target "{}" is missing "number" integer property'
UCL_LUN_NAME_MISSING_14 = 'lun section in target "{}" is missing "name" string property'
UCL_LUN_TOO_BIG_14 = 'LU number {} in target "{}" is too big'
UCL_LUN_KEY = 'lun key "{}" in target "{}" is invalid'
UCL_LUN_ENTRIES = 'lun section entries in target "{}" must be objects'
UCL_LUN_NAME_TYPE = '"name" property for lun {} for target "{}" is not a string'
UCL_LUN_NOT = '"{}" property of lun {} is not {}'

# --- ctld: applying a configuration ------------------------------------------------------------
LUN_CREATION_ERROR = "LUN creation error: {}"
LUN_CREATION_WARNING = "LUN creation warning: {}"
LUN_MODIFICATION_ERROR = "LUN modification error: {}"
LUN_MODIFICATION_WARNING = "LUN modification warning: {}"
LUN_REMOVAL_ERROR = "LUN removal error: {}"
PORT_CREATION_ERROR = "error returned from port creation request: {}"
PORT_REMOVAL_ERROR = "error returned from port removal request: {}"
FAILED_TO_ADD_LUN = 'failed to add lun "{}"'
FAILED_TO_MODIFY_LUN = 'failed to modify lun "{}", CTL lun {}'
FAILED_TO_REMOVE_LUN = 'failed to remove lun "{}", CTL lun {}'
FAILED_TO_ADD_PORT = "failed to add port {}"
FAILED_TO_REMOVE_PORT = "failed to remove port {}"
LUN_MAP_FAILED = "CTL_LUN_MAP ioctl failed: {}"
BIND_FAILED = "bind(2) failed for {}: {}"

# --- CTL in the kernel -------------------------------------------------------------------------
ERROR_OPENING = "error opening {}: {}"
NOT_A_DISK = "{} is not a disk or plain file"
NO_FILE_ARGUMENT = "no file argument specified"
SIZE_OVER_DEVICE = "requested LUN size {} > backing device size {}"
BLOCKSIZE_UNDER_DEVICE = "requested blocksize {} < backing device blocksize {}"
BLOCKSIZE_NOT_MULTIPLE = "requested blocksize {} is not an even multiple of backing device blocksize {}"
FILE_SMALLER_THAN_BLOCK = "file {} size {} < block size {}"
ADD_LUN_FAILED = "ctl_add_lun() returned error {}, see dmesg for details"
NOT_MANAGED = "LUN {} is not managed by the {} backend"
PORT_EXISTS = 'target "{}" for portal group tag {} already exists'
PORT_NOT_FOUND = 'can\'t find target "{}"'
PORT_REGISTER_FAILED = "ctl_port_register() failed with error {}"
NO_CONNECTIONS = "No matching connections found"

# --- ctld: answers to a login ------------------------------------------------------------------
LOGIN_STATUS = {
    (2, 0): "Initiator error",
    (0, 0): "The target did not prove itself",
    (2, 1): "Authentication failure",
    (2, 2): "Authorization failure",
    (2, 3): "Not found",
    (2, 7): "Missing parameter",
    (1, 1): "Target moved temporarily",
    (3, 0): "Target error",
    (3, 1): "Service unavailable",
}

# --- ctladm ------------------------------------------------------------------------------------
CTLADM_OPEN_FAILED = "ctladm: error opening /dev/cam/ctl: {}\n"
OPTION_NOT_FOUND = "option {} not found"
OPTION_AMBIGUOUS = "ambiguous option {}"
BACKEND_REQUIRED = "{}: backend name (-b) must be specified"
LUN_ID_REQUIRED = "{}: LUN id (-l) must be specified"
SIZE_OR_OPTIONS_REQUIRED = "cctl_modify_lun: size (-s) or options (-o) must be specified"
SELECTOR_REQUIRED = "{}: either -a, -c, -i, or -p must be specified"
ONE_SELECTOR = "{}: only one of -a, -c, -i, or -p may be specified"
LUN_MAP_IOCTL_FAILED = "cctl_lunmap: error issuing CTL_LUN_MAP ioctl: {}"
BAD_ON_OFF = 'Invalid -o argument {}, "on" or "off" are the only valid args'
TERMINATE_FAILED = "cctl_isterminate: error returned from CTL iSCSI connection termination request:\n{}"
LOGOUT_FAILED = "cctl_islogout: error returned from CTL iSCSI logout request:\n{}"
TERMINATED = "iSCSI connections terminated\n"
LOGOUT_SUBMITTED = "iSCSI logout requests submitted\n"
UNKNOWN_BACKEND = 'Backend "{}" not found.'
FRONTEND_NOT_FOUND = 'Frontend "{}" not found.'

# --- rc.subr and service(8) --------------------------------------------------------------------
SERVICE_UNKNOWN = (
    "{} does not exist in /etc/rc.d or the local startup\ndirectories (/usr/local/etc/rc.d), or is not executable\n"
)
NOT_ENABLED = "Cannot '{verb}' {name}. Set {rcvar} to YES in /etc/rc.conf or use 'one{verb}' instead of '{verb}'.\n"
NOT_RUNNING_CHECK = "{} not running? (check {}).\n"
RUNNING_AS = "{} is running as pid {}.\n"
NOT_RUNNING = "{} is not running.\n"
RUNNING_ALREADY = "{} already running?  (pid={}).\n"
STARTING = "Starting {}.\n"
STOPPING = "Stopping {}.\n"
WAITING = "Waiting for PIDS: {}.\n"
NOT_READABLE = "/etc/rc.d/{}: WARNING: {} is not readable.\n"
FAILED_PRECMD = "/etc/rc.d/{0}: WARNING: failed precmd routine for {0}\n"
FAILED_START = "/etc/rc.d/{0}: WARNING: failed to start {0}\n"
UNKNOWN_DIRECTIVE = "/etc/rc.d/{}: unknown directive '{}'.\n"
RC_USAGE = (
    "Usage: /etc/rc.d/{} [fast|force|one|quiet](start|stop|restart|rcvar|enable|disable|delete|"
    "enabled|describe|extracommands|reload|status|poll)\n"
)

# --- sysrc -------------------------------------------------------------------------------------
SYSRC_UNKNOWN = "sysrc: unknown variable '{}'\n"
SYSRC_BAD_NAME = "sysrc: {}: name contains characters not allowed in shell\n"
SYSRC_USAGE = (
    "Usage: sysrc [OPTIONS] {name[[+|-]=value] ... | -a | -A | -l | -L [name ...]}\n"
    "Try `sysrc --help' for more information.\n"
)
