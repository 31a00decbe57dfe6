import { checkKeys, given, keyPath } from './check.ts'

type Check<Value> = (path: string, value: unknown) => Value

/** One object of the options as the user wrote it, with a default for each of its options. */
export class Section<Settings extends object> {
  readonly #path: string
  readonly #options: Readonly<Record<string, unknown>>
  readonly #defaults: Settings

  /**
   * @param path of the object, e.g. `services["orders.shop.local"].retry`; empty at the top
   * @param defaults has a key for each option that is known
   * @param alternatives what is allowed instead of an object, for messages
   */
  constructor(path: string, value: unknown, defaults: Settings, alternatives?: string) {
    this.#path = path
    this.#options = checkKeys(path, value === undefined ? {} : value, Object.keys(defaults), alternatives)
    this.#defaults = defaults
  }

  /** The default if the user wrote nothing, else what `check` returns. */
  read<Key extends keyof Settings & string>(key: Key, check: Check<Settings[Key]>): Settings[Key] {
    return given(this.pathOf(key), this.#options[key], this.#defaults[key], check)
  }

  /** Whether the user wrote it. */
  has(key: keyof Settings & string): boolean {
    return this.#options[key] !== undefined
  }

  pathOf(key: string): string {
    return keyPath(this.#path, key)
  }
}

/**
 * A section that the user may leave out or turn off.
 * @param inherited the settings of the level above; undefined: off there
 * @param base defaults of a section that is turned on here and off there
 * @param alternatives what is allowed instead of an object [`false`]
 * @returns undefined: off
 */
export function optionalSection<Settings extends object>(
  path: string,
  value: unknown,
  inherited: Settings | undefined,
  base: Settings,
  resolve: (section: Section<Settings>) => Settings,
  alternatives = 'false',
): Settings | undefined {
  if (value === undefined) return inherited
  if (value === false) return undefined
  return resolve(new Section(path, value, inherited ?? base, alternatives))
}
