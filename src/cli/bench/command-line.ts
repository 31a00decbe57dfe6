import type { Arguments, Values } from '../options/option.ts'
import type { BenchFlags } from './flags.ts'

/** The command that repeats a run, for its report: without values of headers, bodies and queries. */
export function withoutSecrets({ line, options }: Arguments<Values<BenchFlags>>, { search }: URL): string {
  let shown = line
  for (const header of options.header) {
    const [name = ''] = header.split(':')
    shown = shown.replaceAll(inQuotes(header), `${inQuotes(name)}:…`)
  }
  if (options.body !== undefined && options.body !== '')
    shown = shown.replace(new RegExp(`(--body[= ]'?)${escaped(inQuotes(options.body))}`), '$1…')
  if (search !== '') shown = shown.replaceAll(search, '?…')
  return shown
}

/** As a text within single quotes is written for a shell. */
function inQuotes(text: string): string {
  return text.replaceAll("'", String.raw`'\''`)
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
