/**
 * What CommonJS gets of an ESM package: `require` of an entry returns the one ES module, which Node does since 22.12, so
 * that no class and no state exists twice. Only the types exist twice, because a compiler must see that they are CommonJS.
 */
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from './entries.ts'

/** A relative module in a declaration: before it, the quote; the path; its extension. */
const RELATIVE = /(?<=(?:\bfrom |\bimport |\bimport\()(['"]))(\.[^'"]+)\.ts(?=\1)/g

/**
 * Writes `.cjs` and `.d.cts` beside each entry of `dist`, and removes the declarations that no entry reaches.
 * @throws Error for a declaration that imports a file that is not there
 */
export function writeCommonJs(dist: string, entries: readonly Entry[]): void {
  for (const { stem } of entries)
    writeFileSync(join(dist, `${stem}.cjs`), `module.exports = require('./${stem.split('/').at(-1)}.js')\n`)
  const reached = reachedFrom(entries.map(({ stem }) => join(dist, `${stem}.d.ts`)))
  for (const [file, text] of reached)
    writeFileSync(
      file.replace(/\.d\.ts$/, '.d.cts'),
      text.replace(RELATIVE, '$2.cts').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'),
    )
  for (const file of globSync(join(dist, '**/*.d.ts')))
    if (!reached.has(file)) for (const unused of [file, `${file}.map`]) rmSync(unused)
}

/** Declarations, and those that they import, with their text. */
function reachedFrom(entries: readonly string[]): ReadonlyMap<string, string> {
  const reached = new Map<string, string>()
  const visit = (file: string): void => {
    if (reached.has(file)) return
    if (!existsSync(file)) throw new Error(`a declaration imports ${file}, which is not there`)
    const text = readFileSync(file, 'utf8')
    reached.set(file, text)
    for (const [, , path = ''] of text.matchAll(RELATIVE)) visit(join(file, '..', `${path}.d.ts`))
  }
  for (const file of entries) visit(file)
  return reached
}
