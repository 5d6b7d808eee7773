/* Moves weights of a mapped file to huge pages while the model is in use.
 *
 * A packed file is ready at once, but its pages are the page cache's, and those are often small. A
 * thread of low priority looks at one matrix after the other, those first that every token reads
 * (the head, then attention, then experts). Where less than nine tenths are on huge pages, it asks
 * the kernel to collapse the file's own pages (MADV_COLLAPSE), and where that cannot be, it copies
 * the matrix into memory of ours. Between two passes the model's pointers are changed, and the
 * file's pages given up. So no more than one matrix is there twice, and no result changes. */
#ifndef DYNO_RUNTIME_MODEL_MIGRATION_H
#define DYNO_RUNTIME_MODEL_MIGRATION_H

#include "runtime/model/model.h"

typedef struct dyno_migration dyno_migration;

/* Starts the thread; it waits for the end of the first pass, not to be in the way of the first
 * token. The model and the pool must outlive the migration. MEMORY, or UNAVAILABLE when no thread
 * can be started; then *migration is NULL. */
dyno_status dyno_migration_start(dyno_migration **migration, dyno_model *model, dyno_pool *pool,
                                 dyno_numa numa, dyno_error *error);

/* Ends it within some milliseconds. What was moved stays. Sets *migration to NULL; NULL is fine. */
void dyno_migration_stop(dyno_migration **migration);

/* Between these the pointers to the model's weights stay as they are. May be nested; NULL
 * does nothing. */
void dyno_migration_enter(dyno_migration *migration);
void dyno_migration_leave(dyno_migration *migration);

#endif
