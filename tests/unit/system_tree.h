/* A folder that stands for /proc and /sys. */
#ifndef DYNO_TESTS_UNIT_SYSTEM_TREE_H
#define DYNO_TESTS_UNIT_SYSTEM_TREE_H

typedef struct system_tree {
  char root[64], proc[80], sys[80], cgroups[96], membership[96];
} system_tree;

/* An empty one below /tmp; a failure fails the test. */
system_tree system_tree_make(void);
void system_tree_remove(const system_tree *tree);

/* Writes text, and a line end, to ROOT/PATH ("proc/stat") with the folders that takes. */
void system_tree_put(const system_tree *tree, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
