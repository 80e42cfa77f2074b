/*
 * The one executable behind every simulated command: passes its argv, directory, descriptors and a few environment
 * variables to the simulator's daemon and exits with the status it answers. The daemon reads and writes the descriptors itself.
 *
 * Request: 4 bytes length (network order), then NUL-terminated fields: pid, ppid, argc, argv..., cwd, NAME=VALUE...
 * Descriptors 0, 1 and 2 travel with its first byte. Answer: 4 bytes exit status (network order).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FAILED 125

extern char **environ;

static char *buffer;
static size_t used, capacity;

static void fail(const char *what)
{
	fprintf(stderr, "simulator: %s: %s\n", what, strerror(errno));
	exit(FAILED);
}

static void add(const void *bytes, size_t length)
{
	while (used + length > capacity) {
		capacity = capacity ? capacity * 2 : 4096;
		if ((buffer = realloc(buffer, capacity)) == NULL)
			fail("memory");
	}
	memcpy(buffer + used, bytes, length);
	used += length;
}

static void add_field(const char *text)
{
	add(text, strlen(text) + 1);
}

static void add_number(long number)
{
	char text[24];

	snprintf(text, sizeof text, "%ld", number);
	add_field(text);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Our directory: that of argv[0], or the first one on PATH that holds the name, next to a daemon's socket. */
static int enter_root(const char *self)
{
	char path[PATH_MAX], *copy, *directory, *rest;
	const char *given = getenv("FREEBSD_SIMULATOR_ROOT");

	if (given != NULL)
		return chdir(given);
	if (strchr(self, '/') != NULL) {
		snprintf(path, sizeof path, "%s", self);
		*strrchr(path, '/') = '\0';
		return chdir(path) || chdir("..");
	}
	rest = copy = strdup(getenv("PATH") ? getenv("PATH") : "");
	while (copy != NULL && (directory = strsep(&rest, ":")) != NULL) {
		snprintf(path, sizeof path, "%s/%s", directory, self);
		if (access(path, X_OK) != 0)
			continue;
		snprintf(path, sizeof path, "%s/../command.sock", directory);
		if (access(path, F_OK) == 0)
			return chdir(directory) || chdir("..");
	}
	errno = ENOENT;
	return -1;
}

static void collect(int argc, char **argv)
{
	static const char *const names[] = {"LC_ALL=", "LANG=", "TZ=", "SSH_CONNECTION=", "FREEBSD_SIMULATOR_", NULL};
	char cwd[PATH_MAX];
	uint32_t length = 0;

	add(&length, sizeof length);
	add_number(getpid());
	add_number(getppid());
	add_number(argc);
	add_field(base_name(argv[0]));
	for (int i = 1; i < argc; i++)
		add_field(argv[i]);
	add_field(getcwd(cwd, sizeof cwd) ? cwd : "/");
	for (char **variable = environ; *variable != NULL; variable++)
		for (const char *const *name = names; *name != NULL; name++)
			if (strncmp(*variable, *name, strlen(*name)) == 0)
				add_field(*variable);
	length = htonl((uint32_t)(used - sizeof length));
	memcpy(buffer, &length, sizeof length);
}

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, "command.sock");
	if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address) != 0)
		fail("no daemon");
	return s;
}

static void send_request(int s)
{
	int descriptors[3] = {0, 1, 2};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof descriptors)];
	} control;
	struct iovec part = {buffer, used};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header;
	ssize_t sent;

	memset(&control, 0, sizeof control);
	message.msg_control = &control;
	message.msg_controllen = sizeof control.space;
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof descriptors);
	memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
	if ((sent = sendmsg(s, &message, 0)) <= 0)
		fail("send");
	while ((size_t)sent < used) {
		ssize_t more = write(s, buffer + sent, used - (size_t)sent);

		if (more <= 0)
			fail("send");
		sent += more;
	}
}

int main(int argc, char **argv)
{
	uint32_t status;
	size_t got = 0;
	int s, opened;

	while ((opened = open("/dev/null", O_RDWR)) >= 0 && opened < 3)
		continue;
	if (opened >= 0)
		close(opened);
	collect(argc, argv);
	if (enter_root(argv[0]) != 0)
		fail("root directory");
	s = dial();
	send_request(s);
	while (got < sizeof status) {
		ssize_t more = read(s, (char *)&status + got, sizeof status - got);

		if (more <= 0) {
			errno = ECONNRESET;
			fail("daemon died");
		}
		got += (size_t)more;
	}
	return (int)ntohl(status);
}
