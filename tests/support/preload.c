/* Stands between a process and libc, for the files whose path begins with $PRELOAD_FILES: ends the
 * process before the Nth call that changes one, with half of a write done where that is asked for;
 * refuses writes when there is no room; keeps a journal of all changes. And shifts the wall clock.
 * tests/support/preload.py builds it, shares `control` with it, and says what each field means. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096
#define SUFFIX 24

static struct {
    _Atomic int64_t clock_ns, calls, die_at, torn, writes_left, refusal, refused;
} *control, nothing = {.writes_left = -1};

static char suffixes[FDS][SUFFIX]; /* of our files: what follows the prefix, after a '+' */
static const char *prefix;
static int journal = -1;

#define REAL(name, ...) ((name##_t)real(#name))(__VA_ARGS__)
typedef int (*open64_t)(const char *, int, ...);
typedef int (*openat64_t)(int, const char *, int, ...);
typedef int (*close_t)(int);
typedef ssize_t (*write_t)(int, const void *, size_t);
typedef ssize_t (*pwrite64_t)(int, const void *, size_t, off64_t);
typedef int (*ftruncate64_t)(int, off64_t);
typedef int (*fsync_t)(int);
typedef int (*fdatasync_t)(int);
typedef int (*unlink_t)(const char *);

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *shared = getenv("PRELOAD_CONTROL"), *kept = getenv("PRELOAD_JOURNAL");
    int fd = shared ? syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    control = at == MAP_FAILED ? (void *)&nothing : at;
    if (fd >= 0) syscall(SYS_close, fd);
    prefix = getenv("PRELOAD_FILES");
    if (kept)
        journal = syscall(SYS_openat, AT_FDCWD, kept, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static const char *ours(const char *path) {
    size_t length = prefix ? strlen(prefix) : 0;
    return length && !strncmp(path, prefix, length) ? path + length : NULL;
}

static const char *of(int fd) {
    return fd >= 0 && fd < FDS && suffixes[fd][0] ? suffixes[fd] + 1 : NULL;
}

static void note(char what, const char *suffix, int64_t at, int64_t size, const void *data) {
    struct { char what, suffix[SUFFIX - 1]; int64_t at, size; } entry = {.what = what, .at = at, .size = size};
    if (journal < 0) return;
    strncpy(entry.suffix, suffix, sizeof entry.suffix - 1);
    syscall(SYS_write, journal, &entry, sizeof entry);
    if (data) syscall(SYS_write, journal, data, size);
}

/* Whether this call is the one before which the process ends. */
static int last(void) {
    int64_t call = ++control->calls;
    return control->die_at && call == control->die_at;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) syscall(SYS_pause);
}

static int refused(void) {
    int64_t left = control->writes_left;
    while (left > 0)
        if (atomic_compare_exchange_weak(&control->writes_left, &left, left - 1)) return 0;
    if (left < 0) return 0;
    control->refused++;
    errno = control->refusal;
    return 1;
}

static int opened(int fd, const char *suffix) {
    if (fd >= 0 && fd < FDS) {
        suffixes[fd][0] = suffix ? '+' : 0;
        if (suffix) strncpy(suffixes[fd] + 1, suffix, SUFFIX - 2);
    }
    return fd;
}

static int opening(int directory, const char *path, int flags, mode_t mode) {
    const char *suffix = ours(path);
    struct stat found;
    if (suffix && (flags & O_CREAT) && stat(path, &found)) {
        if (last()) die();
        if (refused()) return -1;
        note('c', suffix, 0, 0, NULL);
    }
    return opened(REAL(openat64, directory, path, flags, mode), suffix);
}

#define MODE(mode, flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *path, int flags, ...) { MODE(mode, flags) return opening(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(mode, flags) return opening(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(mode, flags) return opening(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(mode, flags) return opening(at, path, flags, mode); }

int close(int fd) {
    opened(fd, NULL);
    return REAL(close, fd);
}

static ssize_t put(int fd, const void *data, size_t size, off64_t at, int positioned) {
    const char *suffix = of(fd);
    if (suffix) {
        if (!positioned) at = lseek64(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
        int end = last(), short_of_room = 0;
        if (end && !control->torn) die();
        if (!end && refused()) {
            if (!control->torn || size < 2) return -1;
            short_of_room = 1; /* what a disk does that has room for half of it */
        }
        if (end || short_of_room) size /= 2;
        note('w', suffix, at, size, data);
        ssize_t put = positioned ? REAL(pwrite64, fd, data, size, at) : REAL(write, fd, data, size);
        if (end) die();
        return put;
    }
    return positioned ? REAL(pwrite64, fd, data, size, at) : REAL(write, fd, data, size);
}
ssize_t write(int fd, const void *data, size_t size) { return put(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return put(fd, data, size, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return put(fd, data, size, at, 1); }

int ftruncate64(int fd, off64_t size) {
    const char *suffix = of(fd);
    struct stat now;
    if (suffix) {
        if (last()) die();
        if (!fstat(fd, &now) && size > now.st_size && refused()) return -1;
        note('t', suffix, size, 0, NULL);
    }
    return REAL(ftruncate64, fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int syncing(int fd) {
    const char *suffix = of(fd);
    if (!suffix) return 0;
    if (last()) die();
    if (control->refusal == EIO && refused()) return -1;
    note('s', suffix, 0, 0, NULL);
    return 0;
}
int fsync(int fd) { return syncing(fd) ? -1 : REAL(fsync, fd); }
int fdatasync(int fd) { return syncing(fd) ? -1 : REAL(fdatasync, fd); }

int unlink(const char *path) {
    const char *suffix = ours(path);
    if (suffix) {
        if (last()) die();
        note('u', suffix, 0, 0, NULL);
    }
    return REAL(unlink, path);
}

/* The wall clock alone: timers and timeouts go by the monotonic one. */
int clock_gettime(clockid_t id, struct timespec *now) {
    int64_t shift = control ? (int64_t)control->clock_ns : 0;
    int failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + shift % 1000000000;
        now->tv_sec += shift / 1000000000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (now) *now = at.tv_sec;
    return at.tv_sec;
}
