/** What TypeDoc leaves out of the reference, and which comments it can do without. */
import { Converter, ReflectionKind } from 'typedoc'

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    removeConstructorsOfErrors(project)
    removeOrigins(project)
    const fields = project.getReflectionsByKind(ReflectionKind.Property | ReflectionKind.CallSignature)
    const explained = fields.filter(isExplainedByItsOwner).map((field) => field.getFriendlyFullName())
    app.options.setValue('intentionallyNotDocumented', [...new Set(explained)])
    warnOfBareTags(app, project)
  })
}

/**
 * The library makes its errors; users only read them.
 * @param {import('typedoc').ProjectReflection} project
 */
function removeConstructorsOfErrors(project) {
  for (const constructor of project.getReflectionsByKind(ReflectionKind.Constructor))
    if (constructor.parent?.name.endsWith('Error')) project.removeReflection(constructor)
}

/**
 * "Inherited from" and "Overrides" take more room than the members that they stand below.
 * @param {import('typedoc').ProjectReflection} project
 */
function removeOrigins(project) {
  for (const member of project.getReflectionsByKind(ReflectionKind.All)) {
    delete member.inheritedFrom
    delete member.overwrites
    delete member.implementationOf
  }
}

/**
 * For TypeDoc a lone `@throws` is a comment. A reader wants a sentence.
 * @param {import('typedoc').Application} app
 * @param {import('typedoc').ProjectReflection} project
 */
function warnOfBareTags(app, project) {
  for (const member of project.getReflectionsByKind(ReflectionKind.All))
    if (member.hasComment() && member.comment.summary.length === 0)
      app.logger.validationWarning(
        `${member.getFriendlyFullName()} has tags, but no sentence that explains it`,
      )
}

/**
 * TypeDoc wants a comment on each field of an inline object type. The comment of the declaration that holds the type is
 * enough.
 * @param {import('typedoc').Reflection} field
 */
function isExplainedByItsOwner(field) {
  // `__type` is the signature of a function type, which TypeDoc counts as its owner.
  if (field.hasComment() || field.parent?.hasComment() || field.name === '__type') return false
  let isInline = false
  for (let owner = field.parent; owner !== undefined; owner = owner.parent) {
    if (owner.kindOf(ReflectionKind.TypeLiteral)) isInline = true
    else if (owner.hasComment()) return isInline
    else if (!owner.kindOf(ReflectionKind.Method | ReflectionKind.CallSignature | ReflectionKind.Property))
      return false
  }
  return false
}
