// What a user should know before a run starts although nothing is wrong: said once, in one place.
// Each finding is a function from the run to a sentence, or to none.

import type { Dataset } from '../data/dataset.ts';
import type { RunConfig } from '../train/config.ts';

/** What notices are about. */
export interface NoticeSubject {
  readonly config: RunConfig;
  readonly data: Dataset;
}

/** One finding; undefined when there is nothing to say. */
export type NoticeFinder = (subject: NoticeSubject) => string | undefined;

const FINDERS: readonly NoticeFinder[] = [];

/** All that is worth saying about a run, as sentences. */
export function noticesOf(subject: NoticeSubject): readonly string[] {
  return FINDERS.map((find) => find(subject)).filter((notice) => notice !== undefined);
}

/** Where notices go unless the caller takes them: Node's warnings, on stderr. */
export function giveNotice(notice: string): void {
  process.emitWarning(notice, 'SyncbnNotice');
}
