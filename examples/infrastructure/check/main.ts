/**
 * Checks both styles, or the templates of a folder. Exits with 1 if it finds something.
 *
 *     node check/main.ts [folder]
 */
import { check } from './check.ts'
import { handWritten, type Style, synthesised } from './styles.ts'

const [folder] = process.argv.slice(2)
report(handWritten(folder))
if (!folder) {
  // Not `using`, which Node 22 does not know.
  const cdk = await synthesised()
  try {
    report(cdk)
  } finally {
    cdk[Symbol.dispose]()
  }
}

function report(style: Style): void {
  const found = check(style)
  for (const complaint of found) console.error(`${style.name}: ${complaint}`)
  console.log(`${style.name}: ${style.stacks.length} templates, ${found.length} findings`)
  if (found.length > 0) process.exitCode = 1
}
