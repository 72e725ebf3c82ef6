// Which build of the kernels is compiled (scripts/build-kernels.mjs), known at compile time: of
// `if (IS_WIDE)` only the branch that holds is compiled. Both ways must give the same bits, because
// runs of `fast` numbers use either.

/** Whether this is the `wide` build, for engines that pack two vectors of 128 bits into one of 256:
 * vectors 16 bytes apart, loaded, computed and stored alike in one turn of a loop. Where they are
 * not packed its tiles do not fit the registers. `--use WIDE=1` sets it. */
export const IS_WIDE: bool = isDefined(WIDE) ? WIDE != 0 : false;
