/** `1 call`, `2 calls` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A TTL, in whole seconds: `10 s` */
export function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`
}

/** The word that fits: `is` for one thing, `are` for several. */
export function plural({ length }: { readonly length: number }, one: string, several: string): string {
  return length === 1 ? one : several
}

const MAX_NAMED = 8

/** `a, b, c`; of many, the first few and how many more: a fleet has hundreds of tasks. */
export function listed(names: readonly string[]): string {
  const more = names.length - MAX_NAMED
  return more <= 1 ? names.join(', ') : `${names.slice(0, MAX_NAMED).join(', ')} and ${more} more`
}
