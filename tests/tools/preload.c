/* SPDX-License-Identifier: Apache-2.0 */
/* Put before a daemon's libraries (LD_PRELOAD), it fails the n-th call of a kind, or moves the wall
 * clock, as a file says that both sides map: PRELOAD_CONTROL names it. What a test writes there holds at
 * once, so that a node can start sound. Without the variable it changes nothing.
 *
 * Layout, little-endian, 8 bytes each: offset of the wall clock in ns; then for each kind (opens of files
 * and sockets, allocations, threads) three numbers: calls so far; which one shall fail (0: none); how
 * many in a row. Thread: any. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { OPENS, ALLOCATIONS, THREADS, KINDS };

struct control {
    int64_t clock_offset_ns;
    struct {
        int64_t calls, fail_from, fail_count;
    } kinds[KINDS];
};

static struct control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("PRELOAD_CONTROL");
    int file = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    if (mapped != MAP_FAILED) {
        control = mapped;
    }
}

static int fails(enum kind kind)
{
    if (control == NULL) {
        return 0;
    }
    int64_t call = __atomic_add_fetch(&control->kinds[kind].calls, 1, __ATOMIC_RELAXED);
    int64_t from = __atomic_load_n(&control->kinds[kind].fail_from, __ATOMIC_RELAXED);
    return from > 0 && call >= from && call < from + control->kinds[kind].fail_count;
}

static int refused(int error)
{
    errno = error;
    return -1;
}

/* ---- opens --------------------------------------------------------------------------------------- */

static int open_really(int folder, const char *path, int flags, va_list rest)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        mode = (mode_t)va_arg(rest, unsigned);
    }
    if (fails(OPENS)) {
        return refused(EMFILE);
    }
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define OPENS_A_FILE(name, parameters, folder, path, flags)                                        \
    int name parameters;                                                                           \
    int name parameters                                                                            \
    {                                                                                              \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        int file = open_really(folder, path, flags, rest);                                         \
        va_end(rest);                                                                              \
        return file;                                                                               \
    }

OPENS_A_FILE(open, (const char *path, int flags, ...), AT_FDCWD, path, flags)
OPENS_A_FILE(open64, (const char *path, int flags, ...), AT_FDCWD, path, flags)
OPENS_A_FILE(openat, (int folder, const char *path, int flags, ...), folder, path, flags)
OPENS_A_FILE(openat64, (int folder, const char *path, int flags, ...), folder, path, flags)

int socket(int domain, int type, int protocol)
{
    return fails(OPENS) ? refused(EMFILE) : (int)syscall(SYS_socket, domain, type, protocol);
}

int accept4(int listener, struct sockaddr *restrict from, socklen_t *restrict size, int flags)
{
    return fails(OPENS) ? refused(EMFILE) : (int)syscall(SYS_accept4, listener, from, size, flags);
}

/* ---- allocations: glibc's own ones lie under these names, too --------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return fails(ALLOCATIONS) ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(ALLOCATIONS) ? no_memory() : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(ALLOCATIONS) ? no_memory() : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(ALLOCATIONS) ? no_memory() : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *memory = fails(ALLOCATIONS) ? NULL : __libc_memalign(alignment, size);
    if (memory == NULL) {
        return ENOMEM;
    }
    *ret = memory;
    return 0;
}

/* ---- threads ------------------------------------------------------------------------------------- */

int pthread_create(pthread_t *restrict ret, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict arg)
{
    static int (*really)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (fails(THREADS)) {
        return EAGAIN;
    }
    if (really == NULL) {
        really = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
            RTLD_NEXT, "pthread_create");
    }
    return really(ret, attributes, run, arg);
}

/* ---- the wall clock ---------------------------------------------------------------------------------- */

static int64_t wall_ns(void)
{
    struct timespec now;
    (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    int64_t offset =
        control == NULL ? 0 : __atomic_load_n(&control->clock_offset_ns, __ATOMIC_RELAXED);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + offset;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) {
        return (int)syscall(SYS_clock_gettime, clock, ret);
    }
    int64_t now = wall_ns();
    ret->tv_sec = now / 1000000000;
    ret->tv_nsec = now % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    (void)zone;
    int64_t now = wall_ns();
    ret->tv_sec = now / 1000000000;
    ret->tv_usec = now % 1000000000 / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    time_t now = wall_ns() / 1000000000;
    if (ret != NULL) {
        *ret = now;
    }
    return now;
}
