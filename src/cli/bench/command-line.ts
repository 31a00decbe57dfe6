import type { Arguments, Values } from '../options/option.ts'
import type { BenchFlags } from './flags.ts'

/** The command that repeats a run, for its report: without values of headers, bodies and queries. */
export function withoutSecrets({ line, options, operands }: Arguments<Values<BenchFlags>>): string {
  let shown = line
  for (const header of options.header) {
    const [name = ''] = header.split(':')
    shown = shown.replaceAll(inQuotes(header), `${inQuotes(name)}:…`)
  }
  if (options.body !== undefined && options.body !== '')
    shown = shown.replace(new RegExp(`(--body[= ]'?)${escaped(inQuotes(options.body))}`), '$1…')
  // As it was written: a URL object would have other characters.
  const [query] = /\?.+/s.exec(operands[0] ?? '') ?? []
  if (query !== undefined) shown = shown.replaceAll(inQuotes(query), '?…')
  return shown
}

/** As a text within single quotes is written for a shell. */
function inQuotes(text: string): string {
  return text.replaceAll("'", String.raw`'\''`)
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
