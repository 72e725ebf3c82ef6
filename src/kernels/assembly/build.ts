// Which build of the kernels is compiled (scripts/build-kernels.mjs), known at compile time, so
// only the matching branch of `if (IS_WIDE)` is compiled. Both branches must give the same bits,
// because runs in mode `fast` use either.

/** Whether this is the `wide` build, for engines that pack two 128-bit vectors into a 256-bit
 * one: vectors 16 bytes apart that are loaded, computed and stored in the same way in one
 * iteration of a loop. If they are not packed, its tiles do not fit into the registers.
 * `--use WIDE=1` sets it. */
export const IS_WIDE: bool = isDefined(WIDE) ? WIDE != 0 : false;
