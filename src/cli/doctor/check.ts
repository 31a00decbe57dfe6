/** What a check is, and what it finds. One file of `checks/` holds one check; `checks.ts` lists them. */
import type { HostContext, ProcessContext } from './context.ts'

/** Something that is wrong. */
export interface Finding {
  /** Stable name, e.g. `api-denied`; docs/cli.md lists them. */
  readonly id: string
  readonly level: 'problem' | 'warning'
  /** What was seen. */
  readonly what: string
  /** All tasks that it is about; `what` names the first few. */
  readonly places?: readonly string[]
  /** Why that usually is so. */
  readonly cause: string
  /** The remedy. */
  readonly remedy: string
}

/** What a check found out. */
export interface Result {
  /** What is as it should be, or is only good to know. */
  readonly facts: readonly string[]
  readonly findings: readonly Finding[]
  /** false: there was nothing to check, or no way to; the facts say why [true] */
  readonly isChecked?: boolean
}

/** What came of one check. */
export interface Examined extends Required<Result> {
  readonly check: string
  /** undefined: of the process. */
  readonly host: string | undefined
  /** false: the command was interrupted before. */
  readonly isDone: boolean
}

type Texts = Pick<Finding, 'what' | 'cause' | 'remedy'>

/** Calls fail, or will. */
export function problem(id: string, texts: Texts): Finding {
  return { id, level: 'problem', ...texts }
}

/** Calls work, and something is slower, costlier or less safe than it could be. */
export function warning(id: string, texts: Texts): Finding {
  return { id, level: 'warning', ...texts }
}

interface CheckOf<Context> {
  /** In the report, e.g. `Cloud Map API`. */
  readonly title: string
  /**
   * Looks. It has a time limit, after which its result is dropped: `context.signal` does not abort then.
   * @returns a finding where there is nothing else to say
   * @throws any error, which becomes a finding
   */
  readonly run: (context: Context) => Promise<Result | Finding>
}

/** A check of this process and its task: done once. */
export type ProcessCheck = CheckOf<ProcessContext>
/** A check of one service: done for each host. */
export type HostCheck = CheckOf<HostContext>

/** Facts alone. */
export function fine(...facts: readonly string[]): Result {
  return { facts, findings: [] }
}

/** Nothing was checked, because of this. */
export function unchecked(why: string): Result {
  return { facts: [why], findings: [], isChecked: false }
}
