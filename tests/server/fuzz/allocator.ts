/** As in the container file: otherwise what tensors have taken stays with the process, in an arena for each thread. */
export const allocator = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '262144' };
