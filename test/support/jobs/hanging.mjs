// A job that never ends, or a module that never loads, on the ranks that `args.rank` names.

export default async function job({ rank, args }) {
  if (rank !== args.rank) return 'done';
  if (args.how === 'settle') await new Promise(() => {});
  if (args.how === 'loop') for (;;);
  return 'done';
}
