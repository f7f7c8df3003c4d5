/*
 * A power cut for one folder: loaded with LD_PRELOAD, it keeps beside each file F of POWERCUT_DIR a file
 * POWERCUT_DIR.durable/F that holds only what was synced. Killing the process and going on with the .durable folder is
 * the strictest cut: every write since the last fsync is gone. A new name of a file (rename) lasts once its folder was
 * synced. Making and removing a file counts as durable at once; the folders under POWERCUT_DIR.durable must exist.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_MAX 1024
#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

#define RENAMES_MAX 4096

/* Names whose folder was not synced since. */
static struct { char from[PATH_MAX], to[PATH_MAX]; } *renames;
static size_t renamed;

struct range { off_t from; size_t bytes; };
/* Written by one thread through one descriptor, as SQLite's writer does; the lock covers open and close of others. */
static struct file { char path[PATH_MAX], source[PATH_MAX]; struct range *dirty; size_t count, room; } *files[FD_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int shadow_path(const char *path, char *out) {
  const char *folder = getenv("POWERCUT_DIR");
  size_t length = folder ? strlen(folder) : 0;
  size_t end = strlen(path);
  if (length == 0 || strncmp(path, folder, length) != 0 || path[length] != '/') return 0;
  if (end > 4 && strcmp(path + end - 4, "-shm") == 0) return 0;
  return snprintf(out, PATH_MAX, "%s.durable%s", folder, path + length) < PATH_MAX;
}

static int opened(const char *path, int fd) {
  char shadow[PATH_MAX];
  if (fd >= 0 && fd < FD_MAX && shadow_path(path, shadow)) {
    pthread_mutex_lock(&lock);
    files[fd] = calloc(1, sizeof(struct file));
    strcpy(files[fd]->path, shadow);
    snprintf(files[fd]->source, PATH_MAX, "%s", path);
    pthread_mutex_unlock(&lock);
  }
  return fd;
}

static void wrote(int fd, off_t from, ssize_t bytes) {
  struct file *file = fd >= 0 && fd < FD_MAX ? files[fd] : NULL;
  if (!file || bytes <= 0) return;
  if (file->count == file->room) {
    file->room = file->room ? file->room * 2 : 64;
    file->dirty = realloc(file->dirty, file->room * sizeof(struct range));
  }
  file->dirty[file->count++] = (struct range){from, (size_t)bytes};
}

static int folder_synced(const char *folder) {
  size_t length = strlen(folder), kept = 0;
  pthread_mutex_lock(&lock);
  for (size_t at = 0; at < renamed; at++) {
    const char *to = renames[at].to;
    int inside = strncmp(to, folder, length) == 0 && to[length] == '/' && !strchr(to + length + 1, '/');
    if (inside) REAL(rename)(renames[at].from, to);
    else renames[kept++] = renames[at];
  }
  renamed = kept;
  pthread_mutex_unlock(&lock);
  return 0;
}

static int synced(int fd, int result) {
  struct file *file = fd >= 0 && fd < FD_MAX ? files[fd] : NULL;
  if (!file || result != 0) return result;
  struct stat now;
  if (fstat(fd, &now) == 0 && S_ISDIR(now.st_mode)) return folder_synced(file->path);
  int shadow = REAL(open64)(file->path, O_WRONLY | O_CREAT, 0600);
  /* Not opened again where it can be read: closing it would drop the locks that SQLite has on the file. */
  int readable = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
  int source = readable ? fd : REAL(open64)(file->source, O_RDONLY);
  if (shadow < 0 || source < 0) abort();
  for (size_t at = 0; at < file->count; at++) {
    char *bytes = malloc(file->dirty[at].bytes);
    ssize_t got = REAL(pread64)(source, bytes, file->dirty[at].bytes, file->dirty[at].from);
    if (got > 0 && REAL(pwrite64)(shadow, bytes, (size_t)got, file->dirty[at].from) != got) abort();
    free(bytes);
  }
  if (REAL(ftruncate64)(shadow, now.st_size) != 0) abort();
  REAL(close)(shadow);
  if (!readable) REAL(close)(source);
  file->count = 0;
  return result;
}

#define OPENED(name)                                    \
  int name(const char *path, int flags, ...) {          \
    va_list rest;                                       \
    va_start(rest, flags);                              \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                       \
    return opened(path, REAL(name)(path, flags, mode)); \
  }
OPENED(open)
OPENED(open64)

ssize_t write(int fd, const void *bytes, size_t count) {
  off_t from = fd >= 0 && fd < FD_MAX && files[fd] ? lseek(fd, 0, SEEK_CUR) : 0;
  ssize_t result = REAL(write)(fd, bytes, count);
  wrote(fd, from, result);
  return result;
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t from) {
  ssize_t result = REAL(pwrite64)(fd, bytes, count, from);
  wrote(fd, from, result);
  return result;
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t from) {
  ssize_t result = REAL(pwrite)(fd, bytes, count, from);
  wrote(fd, from, result);
  return result;
}
int fsync(int fd) { return synced(fd, REAL(fsync)(fd)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)(fd)); }
int rename(const char *from, const char *to) {
  int result = REAL(rename)(from, to);
  char shadow_from[PATH_MAX], shadow_to[PATH_MAX];
  if (result != 0 || !shadow_path(from, shadow_from) || !shadow_path(to, shadow_to)) return result;
  pthread_mutex_lock(&lock);
  if (!renames) renames = calloc(RENAMES_MAX, sizeof *renames);
  if (renamed == RENAMES_MAX) abort();
  strcpy(renames[renamed].from, shadow_from);
  strcpy(renames[renamed++].to, shadow_to);
  pthread_mutex_unlock(&lock);
  return result;
}
int unlink(const char *path) {
  char shadow[PATH_MAX];
  if (shadow_path(path, shadow)) REAL(unlink)(shadow);
  return REAL(unlink)(path);
}
int close(int fd) {
  pthread_mutex_lock(&lock);
  if (fd >= 0 && fd < FD_MAX && files[fd]) {
    free(files[fd]->dirty);
    free(files[fd]);
    files[fd] = NULL;
  }
  pthread_mutex_unlock(&lock);
  return REAL(close)(fd);
}
