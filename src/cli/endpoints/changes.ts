/** What is different between two looks at a service. */
import { answerOf, type Look } from './lookup.ts'
import { placeOf, type Row } from './compare.ts'

/** One change. `endpoint` is the row of `resolve`. */
export type Change =
  | { readonly event: 'endpoint.added' | 'endpoint.removed'; readonly endpoint: Row }
  | {
      readonly event: 'endpoint.changed'
      readonly endpoint: Row
      /** The fields that are different now, as they were. */
      readonly before: Partial<Row>
    }
  | { readonly event: 'source.failed'; readonly source: 'dns' | 'api'; readonly reason: string }
  | { readonly event: 'source.recovered'; readonly source: 'dns' | 'api' }
  | { readonly event: 'revision.changed'; readonly from: number | undefined; readonly to: number | undefined }

const FIELDS = ['zone', 'weight', 'health', 'id', 'difference'] as const

/** What came, went and changed from one look to the next. */
export function changesBetween(previous: Look, next: Look): readonly Change[] {
  return [...sourceChanges(previous, next), ...revisionChanges(previous, next), ...rowChanges(previous, next)]
}

function sourceChanges(previous: Look, next: Look): Change[] {
  return (['dns', 'api'] as const).flatMap((source): Change[] => {
    const [before, now] = [previous[source], next[source]]
    if (now.state === 'failed' && before.state !== 'failed')
      return [{ event: 'source.failed', source, reason: now.reason }]
    return before.state === 'failed' && now.state === 'answered'
      ? [{ event: 'source.recovered', source }]
      : []
  })
}

function revisionChanges(previous: Look, next: Look): Change[] {
  const [before, now] = [answerOf(previous.api), answerOf(next.api)]
  if (before === undefined || now === undefined || before.revision === now.revision) return []
  return [{ event: 'revision.changed', from: before.revision, to: now.revision }]
}

function rowChanges(previous: Look, next: Look): Change[] {
  const before = byPlace(previous.rows)
  const now = byPlace(next.rows)
  const changes: Change[] = []
  for (const [place, endpoint] of before)
    if (!now.has(place)) changes.push({ event: 'endpoint.removed', endpoint })
  for (const [place, endpoint] of now) {
    const old = before.get(place)
    if (old === undefined) changes.push({ event: 'endpoint.added', endpoint })
    else {
      const different = differences(old, endpoint)
      if (different !== undefined) changes.push({ event: 'endpoint.changed', endpoint, before: different })
    }
  }
  return changes
}

/** By address and port. */
function byPlace(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [placeOf(row), row]))
}

function differences(old: Row, now: Row): Partial<Row> | undefined {
  const different = FIELDS.filter((field) => old[field] !== now[field])
  const hasMoved = old.sources.join() !== now.sources.join()
  if (different.length === 0 && !hasMoved) return undefined
  return {
    ...Object.fromEntries(different.map((field) => [field, old[field] ?? null])),
    ...(hasMoved && { sources: old.sources }),
  }
}
