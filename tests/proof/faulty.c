/*
 * Preloaded into the program: makes the n-th call of a kind fail, as the system could.
 *
 *   FAULT=KIND:ERROR:N:COUNT[:own|:lib]   calls N .. N+COUNT-1 of KIND fail; only those that the
 *                                         program itself makes, or only those of its libraries
 *   FAULT_REPORT=FILE                     gets at the end how many calls there were: KIND OWN LIB
 *
 * ERROR is a number, or 0: the call does only a part of what it was asked. The first call that
 * fails is named on stderr. What is written to stderr never fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { ALLOC, FD, WRITE, READ, SYNC, ROOM, NAME, SEND, RECV, OTHER, WAIT, THREAD, KINDS };

static const char *const kind_names[KINDS] = {
	"alloc", "fd",	 "write", "read",  "sync", "room",
	"name",	 "send", "recv",  "other", "wait", "thread",
};

struct faulty {
	atomic_bool ready, said;
	enum kind kind;
	int error;
	unsigned long from, to;
	bool own, lib; /* whose calls fail */
	uintptr_t base, text, text_end; /* the program's own code */
	atomic_ulong calls[KINDS][2]; /* 0: the program's, 1: the libraries' */
};

static struct faulty *faulty(void)
{
	static struct faulty f;

	return &f;
}

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t count, size_t len);
void *__libc_realloc(void *old, size_t len);

/* -- what is to fail -- */

static int program_find(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct faulty *f = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
			f->base = info->dlpi_addr;
			f->text = info->dlpi_addr + p->p_vaddr;
			f->text_end = f->text + p->p_memsz;
		}
	}
	return 1; /* the program is the first */
}

static void fault_parse(struct faulty *f, char *text)
{
	char *save = NULL, *word = strtok_r(text, ":", &save);

	for (int i = 0; word && i < 5; i++, word = strtok_r(NULL, ":", &save)) {
		unsigned long n = strtoul(word, NULL, 10);

		switch (i) {
		case 0:
			for (int k = 0; k < KINDS; k++)
				if (strcmp(word, kind_names[k]) == 0)
					f->kind = (enum kind)k;
			break;
		case 1:
			f->error = (int)n;
			break;
		case 2:
			f->from = n;
			break;
		case 3:
			f->to = f->from + n;
			break;
		default:
			f->own = strcmp(word, "lib") != 0;
			f->lib = strcmp(word, "own") != 0;
		}
	}
}

__attribute__((constructor)) static void faulty_begin(void)
{
	struct faulty *f = faulty();
	const char *fault = getenv("FAULT");
	char text[128] = "";

	f->own = f->lib = true;
	dl_iterate_phdr(program_find, f);
	if (fault) {
		snprintf(text, sizeof(text), "%s", fault);
		fault_parse(f, text);
	}
	atomic_store(&f->ready, true);
}

__attribute__((destructor)) static void faulty_end(void)
{
	struct faulty *f = faulty();
	const char *path = getenv("FAULT_REPORT");
	char line[64];
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	for (int k = 0; fd >= 0 && k < KINDS; k++) {
		int len = snprintf(line, sizeof(line), "%s %lu %lu\n", kind_names[k],
				   atomic_load(&f->calls[k][0]), atomic_load(&f->calls[k][1]));

		if (write(fd, line, (size_t)len) != len)
			break;
	}
	if (fd >= 0)
		close(fd);
}

static void say(struct faulty *f, const char *call, unsigned long n, uintptr_t caller)
{
	char line[128];
	int len;

	if (atomic_exchange(&f->said, true))
		return;
	len = snprintf(line, sizeof(line), "faulty: %s %lu, call %s of %s +0x%lx, error %d\n",
		       kind_names[f->kind], n, call, caller ? "the program" : "a library",
		       (unsigned long)caller, f->error);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		_exit(111);
}

/* True when this call is to fail; errno is set. */
static bool fails(enum kind kind, const char *call, void *from)
{
	struct faulty *f = faulty();
	uintptr_t at = (uintptr_t)from;
	bool own = at >= f->text && at < f->text_end;
	unsigned long n;

	if (!atomic_load(&f->ready))
		return false;
	n = atomic_fetch_add(&f->calls[kind][!own], 1) + 1;
	if (!f->to || kind != f->kind || !(own ? f->own : f->lib))
		return false;
	if (f->own && f->lib)
		n = atomic_load(&f->calls[kind][0]) + atomic_load(&f->calls[kind][1]);
	if (n < f->from || n >= f->to)
		return false;
	say(f, call, n, own ? at - f->base : 0);
	errno = f->error;
	return true;
}

static bool in_part(void)
{
	return faulty()->error == 0;
}

static size_t part_of(size_t len)
{
	return len > 1 ? len / 2 : len;
}

/* The next one of that name. */
static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))(uintptr_t)real(name))
#define FAILS(kind, call) fails(kind, call, __builtin_return_address(0))

static enum kind kind_of(int fd, enum kind file, enum kind socket)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return OTHER;
	return S_ISREG(st.st_mode) ? file : S_ISSOCK(st.st_mode) ? socket : OTHER;
}

/* -- memory -- */

void *malloc(size_t len)
{
	return FAILS(ALLOC, "malloc") ? NULL : __libc_malloc(len);
}

void *calloc(size_t count, size_t len)
{
	return FAILS(ALLOC, "calloc") ? NULL : __libc_calloc(count, len);
}

void *realloc(void *old, size_t len)
{
	return FAILS(ALLOC, "realloc") ? NULL : __libc_realloc(old, len);
}

void *reallocarray(void *old, size_t count, size_t len)
{
	return FAILS(ALLOC, "reallocarray") ? NULL : __libc_realloc(old, count * len);
}

/* -- descriptors -- */

#define OPEN_MODE(flags, last)                        \
	mode_t mode = 0;                              \
	va_list args;                                 \
	va_start(args, last);                         \
	if ((flags) & (O_CREAT | __O_TMPFILE))        \
		mode = (mode_t)va_arg(args, int);     \
	va_end(args)

int open(const char *path, int flags, ...)
{
	OPEN_MODE(flags, flags);
	return FAILS(FD, "open") ? -1 :
				   REAL(int, "open", const char *, int, ...)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	OPEN_MODE(flags, flags);
	return FAILS(FD, "openat") ?
		       -1 :
		       REAL(int, "openat", int, const char *, int, ...)(dir, path, flags, mode);
}

int __openat_2(int dir, const char *path, int flags)
{
	return FAILS(FD, "openat") ?
		       -1 :
		       REAL(int, "openat", int, const char *, int, ...)(dir, path, flags);
}

FILE *fopen(const char *path, const char *mode)
{
	return FAILS(FD, "fopen") ? NULL :
				    REAL(FILE *, "fopen", const char *, const char *)(path, mode);
}

int socket(int domain, int type, int protocol)
{
	return FAILS(FD, "socket") ? -1 :
				     REAL(int, "socket", int, int, int)(domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int ret[2])
{
	return FAILS(FD, "socketpair") ?
		       -1 :
		       REAL(int, "socketpair", int, int, int, int *)(domain, type, protocol, ret);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	return FAILS(FD, "accept4") ? -1 :
				      REAL(int, "accept4", int, struct sockaddr *, socklen_t *,
					   int)(fd, address, len, flags);
}

int epoll_create1(int flags)
{
	return FAILS(FD, "epoll_create1") ? -1 : REAL(int, "epoll_create1", int)(flags);
}

int eventfd(unsigned count, int flags)
{
	return FAILS(FD, "eventfd") ? -1 : REAL(int, "eventfd", unsigned, int)(count, flags);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
	return FAILS(FD, "signalfd") ?
		       -1 :
		       REAL(int, "signalfd", int, const sigset_t *, int)(fd, mask, flags);
}

int fcntl(int fd, int command, ...)
{
	void *argument;
	va_list args;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && FAILS(FD, "fcntl"))
		return -1;
	return REAL(int, "fcntl", int, int, ...)(fd, command, argument);
}

/* -- files and sockets -- */

/* `whole` and `part`: the call with what it was asked, and with less of it. */
#define TRANSFER(kind, name, whole, part)                     \
	do {                                                  \
		if (fd != STDERR_FILENO && FAILS(kind, name)) \
			return in_part() ? (part) : -1;       \
		return (whole);                               \
	} while (0)

#define WRITE_CALL(n) REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, n)
#define READ_CALL(n) REAL(ssize_t, "read", int, void *, size_t)(fd, bytes, n)
#define PWRITE_CALL(n) REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)(fd, bytes, n, at)
#define PREAD_CALL(n) REAL(ssize_t, "pread", int, void *, size_t, off_t)(fd, bytes, n, at)
#define WRITEV_CALL(n) REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, n)
#define SEND_CALL(n) REAL(ssize_t, "send", int, const void *, size_t, int)(fd, bytes, n, flags)
#define RECV_CALL(n) REAL(ssize_t, "recv", int, void *, size_t, int)(fd, bytes, n, flags)

ssize_t write(int fd, const void *bytes, size_t len)
{
	TRANSFER(kind_of(fd, WRITE, SEND), "write", WRITE_CALL(len), WRITE_CALL(part_of(len)));
}

ssize_t read(int fd, void *bytes, size_t len)
{
	TRANSFER(kind_of(fd, READ, RECV), "read", READ_CALL(len), READ_CALL(part_of(len)));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	TRANSFER(WRITE, "pwrite", PWRITE_CALL(len), PWRITE_CALL(part_of(len)));
}

ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
	TRANSFER(READ, "pread", PREAD_CALL(len), PREAD_CALL(part_of(len)));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	TRANSFER(kind_of(fd, WRITE, SEND), "writev", WRITEV_CALL(count), WRITEV_CALL(1));
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	TRANSFER(SEND, "send", SEND_CALL(len), SEND_CALL(part_of(len)));
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	if (FAILS(SEND, "sendto") && !in_part())
		return -1;
	return REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *,
		    socklen_t)(fd, bytes, len, flags, to, to_len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (FAILS(SEND, "sendmsg") && !in_part())
		return -1;
	return REAL(ssize_t, "sendmsg", int, const struct msghdr *, int)(fd, message, flags);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
	TRANSFER(RECV, "recv", RECV_CALL(len), RECV_CALL(part_of(len)));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	if (FAILS(RECV, "recvmsg") && !in_part())
		return -1;
	return REAL(ssize_t, "recvmsg", int, struct msghdr *, int)(fd, message, flags);
}

/* -- the disk -- */

int fdatasync(int fd)
{
	return FAILS(SYNC, "fdatasync") ? -1 : REAL(int, "fdatasync", int)(fd);
}

int fsync(int fd)
{
	return FAILS(SYNC, "fsync") ? -1 : REAL(int, "fsync", int)(fd);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	return FAILS(ROOM, "fallocate") ?
		       -1 :
		       REAL(int, "fallocate", int, int, off_t, off_t)(fd, mode, at, len);
}

int ftruncate(int fd, off_t len)
{
	return FAILS(ROOM, "ftruncate") ? -1 : REAL(int, "ftruncate", int, off_t)(fd, len);
}

int rename(const char *from, const char *to)
{
	return FAILS(NAME, "rename") ? -1 :
				       REAL(int, "rename", const char *, const char *)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return FAILS(NAME, "renameat") ? -1 :
					 REAL(int, "renameat", int, const char *, int,
					      const char *)(from_dir, from, to_dir, to);
}

int unlink(const char *path)
{
	return FAILS(NAME, "unlink") ? -1 : REAL(int, "unlink", const char *)(path);
}

int unlinkat(int dir, const char *path, int flags)
{
	return FAILS(NAME, "unlinkat") ?
		       -1 :
		       REAL(int, "unlinkat", int, const char *, int)(dir, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
	return FAILS(NAME, "mkdir") ? -1 : REAL(int, "mkdir", const char *, mode_t)(path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	return FAILS(NAME, "mkdirat") ?
		       -1 :
		       REAL(int, "mkdirat", int, const char *, mode_t)(dir, path, mode);
}

/* -- waiting, threads -- */

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	return FAILS(WAIT, "epoll_wait") ? -1 :
					   REAL(int, "epoll_wait", int, struct epoll_event *, int,
						int)(fd, events, max, timeout_ms);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return FAILS(WAIT, "poll") ?
		       -1 :
		       REAL(int, "poll", struct pollfd *, nfds_t, int)(fds, count, timeout_ms);
}

int sem_wait(sem_t *sem)
{
	return FAILS(WAIT, "sem_wait") ? -1 : REAL(int, "sem_wait", sem_t *)(sem);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	if (FAILS(THREAD, "pthread_create"))
		return faulty()->error;
	return REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *),
		    void *)(ret, attr, run, arg);
}
