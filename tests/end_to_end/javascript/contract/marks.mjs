// What becomes of proposals in the classifier? Its routing, its mark types, and what it would post.
//
// Written in our own words after the observed behaviour: see docs/sandbox.md; none of it is the classifier's code.
import { getSnapshot, types } from 'mobx-state-tree'

// The classifier takes a missing number for 0 or draws nothing; a proposal of ours names them all.
const number = types.refinement('finite number', types.number, Number.isFinite)
const zero = types.optional(number, 0)
const rounded = types.custom({
  name: 'two decimals',
  fromSnapshot: value => Math.round(Number(value) * 100) / 100,
  toSnapshot: value => value,
  isTargetType: value => typeof value === 'number',
  getValidationMessage: value => typeof value === 'number' && Number.isFinite(value) ? '' : `${value} is no number`,
})

const answer = (kind, value) => types.model(`${kind} answer`, {
  id: types.identifier, task: types.string, taskType: types.literal(kind), value,
})
const ANSWER = types.union(
  answer('single', types.maybeNull(number)),
  answer('multiple', types.optional(types.array(number), [])),
  answer('text', types.optional(types.string, '')),
)

const mark = (toolType, geometry) => types.model(toolType, {
  id: types.identifier, annotations: types.map(ANSWER), frame: zero, toolIndex: zero,
  toolType: types.literal(toolType), ...geometry,
})
const box = { x_center: number, y_center: number, width: number, height: number }
const MARKS = {
  circle: mark('circle', { x_center: number, y_center: number, r: number }),
  ellipse: mark('ellipse', { x_center: number, y_center: number, rx: number, ry: number, angle: number }),
  freehandLine: mark('freehandLine', { pathX: types.array(rounded), pathY: types.array(rounded) }),
  line: mark('line', { x1: number, y1: number, x2: number, y2: number }),
  point: mark('point', { x: number, y: number }),
  polygon: mark('polygon', { points: types.array(types.model({ x: rounded, y: rounded })) }),
  rectangle: mark('rectangle', box),
  rotateRectangle: mark('rotateRectangle', { ...box, angle: number }),
}
// What is thrown away when the volunteer goes on.
const KEPT = {
  circle: m => m.r >= 5,
  ellipse: m => m.rx > 5,
  freehandLine: m => m.pathX.length >= 20 && m.pathX.length === m.pathY.length,
  line: m => Math.hypot(m.x2 - m.x1, m.y2 - m.y1) > 5,
  point: () => true,
  polygon: m => m.points.length >= 3,
  rectangle: m => m.width > 5 && m.height > 5,
  rotateRectangle: m => m.width > 5 && m.height > 5,
}

const question = { required: types.maybe(types.union(types.boolean, types.string)), taskKey: types.identifier }
const answers = types.array(types.model({ label: types.string, next: types.maybeNull(types.string) }))
const TASKS = {
  single: types.model('single', { ...question, answers, question: types.string, type: types.literal('single') }),
  multiple: types.model('multiple', { ...question, answers, question: types.string, type: types.literal('multiple') }),
  text: types.model('text', { ...question, instruction: types.string, type: types.literal('text') }),
}
const limit = types.union(types.string, types.number)
const TOOL = types.model('tool', {
  color: types.optional(types.string, ''), label: types.optional(types.string, ''),
  min: types.optional(limit, 0), max: types.optional(limit, Infinity),
  details: types.array(types.frozen()), type: types.enumeration(Object.keys(MARKS)),
})

/** Return the steps of a workflow: its own, or its first task's, then the others' in order. */
export function stepsOf ({ steps, tasks, first_task: first }) {
  if (steps.length > 0) return steps
  const members = Object.values(tasks).filter(({ type }) => type === 'combo').flatMap(combo => combo.tasks)
  const others = Object.keys(tasks).filter(key => key !== first && !members.includes(key))
  // A shortcut takes a number and makes no step.
  return [first, ...others].map((key, place) => [`S${place}`, {
    stepKey: `S${place}`, taskKeys: tasks[key].type === 'combo' ? tasks[key].tasks : [key],
  }]).filter((_, place) => tasks[[first, ...others][place]].type !== 'shortcut')
}

/** Make every mark that the reductions propose for a workflow; throws where the classifier would. */
export function proposedMarks (workflow, reductions) {
  const steps = stepsOf(workflow)
  const made = []
  reductions.forEach(reduction => reduction.data.data.forEach(datum => {
    const { stepKey = steps[0][0], taskIndex = 0, toolIndex = 0, taskKey, taskType, toolType, markId, ...rest } = datum
    const step = steps.find(([key]) => key === stepKey)?.[1]
    if (!step) throw new Error(`no step ${stepKey}`)
    const key = step.taskKeys[taskIndex]
    const tool = workflow.tasks[key].tools[toolIndex]
    if (!tool) throw new Error(`${key} has no tool ${toolIndex}`)
    if (toolType !== undefined && toolType !== tool.type) throw new Error(`${toolType} on a tool of type ${tool.type}`)
    TOOL.create(tool)
    const details = (tool.details ?? []).map((detail, place) =>
      TASKS[detail.type].create({ ...detail, taskKey: `${key}.${toolIndex}.${place}` }))
    const annotations = {}
    for (const [place, given] of (rest.annotations ?? []).entries()) {
      const asked = details.find(detail => detail.taskKey === given.task)
      if (!asked) throw new Error(`no subtask ${given.task}`)
      if (asked.type !== given.taskType) throw new Error(`${given.task} is ${asked.type}, not ${given.taskType}`)
      annotations[`a${place}`] = { ...given, id: `a${place}` }
    }
    const model = MARKS[tool.type]
    const snapshot = { ...rest, annotations, id: markId ?? `generated-${made.length}`, toolType: tool.type }
    const unknown = Object.keys(rest).filter(name => !(name in model.properties))
    const one = model.create(snapshot)
    made.push({ task: key, tool: toolIndex, kept: KEPT[tool.type](one), unknown, details, mark: getSnapshot(one) })
  }))
  return made
}

/** Return the annotations that a volunteer posts who only presses Done. */
export function postedAnnotations (workflow, made) {
  const kept = made.filter(one => one.kept).sort((a, b) => a.tool - b.tool)
  const subtasks = []
  const value = kept.map(({ mark, details }, markIndex) => {
    const { id, annotations, ...shape } = mark
    for (const { id: _, ...given } of Object.values(annotations)) subtasks.push({ ...given, markIndex })
    return { ...shape, toolIndex: 0, details: details.map(({ taskKey }) => ({ task: taskKey })) }
  })
  return [{ task: workflow.first_task, taskType: 'drawing', value }, ...subtasks]
}
