/**
 * HTML as a tagged template. Every value is escaped unless it is markup that this tag has made: names of hosts, tasks, errors
 * and titles come from outside.
 */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Markup | readonly Markup[]

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let text = strings[0] ?? ''
  for (const [index, value] of values.entries()) text += textOf(value) + (strings[index + 1] ?? '')
  return new Markup(text)
}

function textOf(value: Value): string {
  if (value instanceof Markup) return value.text
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  return value.map(({ text }) => text).join('')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

/**
 * A script element of JSON, which does not run; nothing in it can end the element. Not by the tag: the build turns tagged
 * templates with this end tag into a call of a package that users do not have.
 */
export function jsonElement(id: string, value: unknown): Markup {
  const json = JSON.stringify(value).replaceAll('<', String.raw`\u003c`)
  return new Markup(`<script type="application/json" id="${escapeHtml(id)}">${json}</script>`)
}
