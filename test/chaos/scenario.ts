import type { ClientOptions } from 'onehop'
import type { Transport } from '../support/transports.ts'
import type { Stage } from './stage.ts'

/** What happens to a fleet under load. */
export interface Scenario {
  readonly name: string
  readonly tasks: number
  /** How long each task takes to answer, in ms [0]. */
  readonly taskMs?: number
  /** What the tasks speak, and how onehop's client connects to them [http]. The others' clients know http alone. */
  readonly transport?: Transport
  /** Calls per second [200]. */
  readonly perSecond?: number
  /** DNS servers that are asked before the one that knows [none]. */
  readonly dnsBefore?: readonly string[]
  /** A load balancer behind the tasks, for clients that know how to use one [none]. */
  readonly fallback?: boolean
  /** A second service, of as many tasks and without the fault, is called in turn with the first [false]. */
  readonly control?: boolean
  /** Options of onehop's client; it has its defaults otherwise. */
  readonly options?: ClientOptions
  /** How long calls are made before it happens [3]. With 0, the first call is the client's first. */
  readonly warmUpSeconds?: number
  /** How long calls count, in seconds, in CI and with `--long` [6, 12]. */
  readonly seconds?: { readonly short: number; readonly long: number }
  /** What is so before the first call is made [nothing]. */
  setUp?(stage: Stage): void
  /** What happens at the end of the warm-up. May go on for as long as calls are made. */
  fault(stage: Stage): Promise<void>
}
