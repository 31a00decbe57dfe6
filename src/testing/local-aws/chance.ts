import type { Random } from '../../core/clock.ts'

/** A new array in random order (Fisher-Yates). */
export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const mixed = [...items]
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1))
    const swapped = mixed[last] as Item
    mixed[last] = mixed[other] as Item
    mixed[other] = swapped
  }
  return mixed
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Letters and digits, as in AWS's ids (`srv-e4anhexample0004`). */
export function randomId(random: Random, length: number): string {
  let id = ''
  while (id.length < length) id += ALPHABET[Math.floor(random.next() * ALPHABET.length)] ?? ''
  return id
}
