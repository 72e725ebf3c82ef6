// The last lines of .ci/run: the failures again, which commands failed, what was skipped, and `N
// passed, N failed` over the JSON reports of both suites. Exit code 1 if anything failed or a
// report is missing.
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const [folder, ...failedCommands] = process.argv.slice(2);

/** The lines of a message that say what happened, without a long diff. */
const head = (message) => stripVTControlCharacters(message).split('\n').slice(0, 12).join('\n');

let passed = 0;
let failed = 0;
let skipped = 0;
for (const suite of ['test', 'test:long']) {
  const file = join(folder, `${suite.replace(':', '-')}.json`);
  if (!existsSync(file)) {
    console.log(`npm run ${suite} left no report`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  passed += report.numPassedTests;
  skipped += report.numPendingTests;
  failed += report.numFailedTests;
  for (const { name, message, assertionResults } of report.testResults) {
    const file = relative(process.cwd(), name);
    if (message) console.log(`failed: ${file}: ${head(message)}`);
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status !== 'failed') continue;
      console.log(`failed: ${file}: ${fullName}`);
      for (const each of failureMessages) console.log(head(each).replace(/^/gm, '    '));
    }
  }
  // A file that fails outside of its tests, and errors after the last test.
  const commandFailed = failedCommands.includes(suite) || !report.success;
  if (commandFailed && report.numFailedTests === 0) failed += 1;
}
if (failedCommands.includes('check')) failed += 1;
for (const command of failedCommands) console.log(`npm run ${command} failed`);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
