// `syncbn help`: the page of a command or a topic, or the list of topics.

import { UsageError } from '../../base/errors.ts';
import { nearestWord } from '../../base/nearest.ts';
import { say, screen } from '../output/screen.ts';
import { joinParagraphs, wrapped } from '../output/wrap.ts';
import { commands } from './commands.ts';
import { commandPage, mainPage, topicList } from './helpPages.ts';
import { TOPICS } from './helpWords.ts';
import { TOPIC_PAGES } from './topics.ts';

/** Shows the page of a word, or the overview without one. */
export async function runHelp(word: string | undefined): Promise<number> {
  say(pageOf(word, screen.columns));
  return 0;
}

function pageOf(word: string | undefined, columns: number): string {
  if (word === undefined) return mainPage(columns);
  if (word === 'topics') return topicList(columns);
  const topic = Object.entries(TOPIC_PAGES).find(([name]) => name === word);
  if (topic !== undefined) return wrapped(joinParagraphs(topic[1]), columns);
  const command = commands.find(({ name }) => name === word);
  if (command !== undefined) return commandPage(command, columns);
  const known = [...Object.keys(TOPICS), ...commands.map(({ name }) => name), 'topics'];
  throw new UsageError({
    what: 'syncbn help',
    problem: `has no page ${word}`,
    hint: `syncbn help ${nearestWord(word, known) ?? 'topics'}`,
  });
}
