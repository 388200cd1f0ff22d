/* Prints when it came to life, and for which slot it was started: "SLOT SECONDS.NANOSECONDS", appended to $STAMPS.
   In C and static, so that what is timed is the start of the process and not its loader. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *slot = getenv("SLACK_ALERT_SCHEDULED"), *path = getenv("STAMPS");
    char line[128];
    int length = snprintf(line, sizeof line, "%s %lld.%09ld\n", slot ? slot : "-", (long long)now.tv_sec, now.tv_nsec);
    int file = open(path ? path : "/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0644);
    return file < 0 || write(file, line, (size_t)length) != length;
}
