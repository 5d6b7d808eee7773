/* The subverbs of `dyno memory`. */
#ifndef DYNO_HARNESS_CLI_MEMORY_H
#define DYNO_HARNESS_CLI_MEMORY_H

int dyno_memory_replay(int argc, char **argv);
int dyno_memory_fragmentation(int argc, char **argv);

#endif
