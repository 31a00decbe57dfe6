/** Messages of the library name its options; on the command line they are flags and variables. */

/** What the library says, and what it is here. */
const WORDS: readonly (readonly [said: RegExp, here: string])[] = [
  [/(?<=set AWS_REGION or )cloudMap\.region/g, '--region'],
  [/set cloudMap\.credentials/g, 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  [/(?<=or )use discovery: ["']dns["']/g, 'give --discovery dns'],
  [/allowLoopback permits it/g, '--allow-loopback permits it'],
  [/set the option port to the port of the tasks/g, 'give the port of the tasks with --port'],
  [/as (?:fallback\.)?pool\.connect\.ca(?!\w)/g, 'with --ca'],
  [
    /Elsewhere, leave self\(\) out; in tests, pass the env of startLocalAws\(\) from onehop\/testing/g,
    'Run the command in a task, e.g. by ECS Exec',
  ],
]

/**
 * A message of the library in the words of the command line.
 * @param command that shows it, e.g. `bench`, which has no `--discovery`
 */
export function inCommandWords(message: string, command?: string): string {
  const text = WORDS.reduce((changed, [said, here]) => changed.replaceAll(said, here), message)
  return command === 'bench' ? text.replaceAll('give --discovery dns', 'leave api out of --arms') : text
}
