/* The subverbs of `dyno kernels`; each parses its own arguments, like a verb. */
#ifndef DYNO_HARNESS_CLI_KERNELS_H
#define DYNO_HARNESS_CLI_KERNELS_H

int dyno_kernels_bench(int argc, char **argv);
int dyno_kernels_list(int argc, char **argv);
int dyno_kernels_check(int argc, char **argv);

#endif
