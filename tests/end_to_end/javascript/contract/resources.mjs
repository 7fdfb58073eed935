// What must an answer of Panoptes look like for the classifier's stores to take it?
//
// The field names and types that the classifier and the project pages declare (their models throw on
// a value of another type in a development build, and draw or loop on garbage in a production build),
// written down in our own words. The read versions are named in docs/sandbox.md.
import { types } from 'mobx-state-tree'

const anything = types.frozen()
const object = types.refinement('object', types.frozen(), value =>
  value === undefined || (value !== null && typeof value === 'object' && !Array.isArray(value)))
const list = types.refinement('list', types.frozen(), value => value === undefined || Array.isArray(value))
const digits = types.refinement('digits', types.string, value => /^\d+$/.test(value))
const flag = types.optional(types.boolean, false)
const count = types.optional(types.number, 0)
const texts = types.map(types.maybeNull(types.string))
const identified = { id: types.refinement('identifier', types.identifier, value => /^\d+$/.test(value)) }

// Links of one kind are a list of ids or one id; the classifier calls .includes, .indexOf, .length.
const links = (lists, singles = []) => types.refinement('links', types.frozen(), value =>
  lists.every(name => Array.isArray(value[name]) && value[name].every(id => typeof id === 'string')) &&
  singles.every(name => typeof value[name] === 'string'))

// The file name at the end of a subject's address decides whether the subject is taken at all.
const ENDINGS = {
  'application/json': ['.json'], 'audio/mp3': ['.mp3'], 'audio/mpeg': ['.mp3', '.mpga'],
  'image/gif': ['.gif'], 'image/jpeg': ['.jpg', '.jpeg'], 'image/png': ['.png'],
  'text/plain': ['.txt'], 'video/mp4': ['.mp4'], 'video/mpeg': ['.mpeg'],
}
const location = types.refinement('location', types.frozen(), value => {
  const [[mime, url]] = Object.entries(value)
  return (ENDINGS[mime] ?? []).some(ending => url.toLowerCase().endsWith(ending))
})

const VIEWERS = ['dataImage', 'flipbook', 'geoMap', 'jsonData', 'lightcurve', 'multiFrame', 'scatterPlot',
  'singleImage', 'subjectGroup', 'variableStar', 'volumetric']
const configuration = types.model('configuration', {
  enable_caesar_data_fetching: flag,
  enable_switching_flipbook_and_separate: flag,
  flipbook_autoplay: flag,
  invert_subject: flag,
  limit_subject_height: flag,
  multi_image_clone_markers: flag,
  multi_image_mode: types.optional(types.enumeration(['flipbook', 'separate']), 'flipbook'),
  multi_image_layout: types.optional(types.enumeration(['col', 'grid2', 'grid3', 'row']), 'col'),
  persist_annotations: types.optional(types.boolean, true),
  playIterations: types.optional(types.union(types.string, types.number), 3),
  subject_viewer: types.maybe(types.enumeration(VIEWERS)),
  subject_viewer_config: types.maybe(object),
})

export const resources = {
  project: types.model('project', {
    ...identified, slug: types.string, configuration: object, experimental_tools: list,
    available_languages: types.array(types.string), strings: types.optional(texts, {}),
    links: links(['active_workflows', 'workflows']),
  }),
  workflow: types.model('workflow', {
    ...identified, active: flag, configuration, display_name: types.string,
    first_task: types.optional(types.string, ''), grouped: flag, prioritized: flag,
    steps: list, tasks: object, version: types.refinement(types.string, text => /^\d+\.\d+$/.test(text)),
    links: links(['subject_sets'], ['project']),
  }),
  subject: types.model('subject', {
    ...identified, already_seen: types.boolean, favorite: types.boolean, finished_workflow: types.boolean,
    locations: types.refinement(types.array(location), all => all.length > 0), metadata: object,
    retired: types.boolean, selected_at: types.string, selection_state: types.string,
    user_has_finished_workflow: types.boolean,
  }),
  subject_set: types.model('subject_set', {
    ...identified, display_name: types.string, links: links(['workflows'], ['project']), metadata: object,
    set_member_subjects_count: types.number, completeness: types.map(types.number),
  }),
  tutorial: types.model('tutorial', {
    ...identified, display_name: types.optional(types.string, ''), language: types.maybe(types.string),
    kind: types.maybeNull(types.enumeration(['mini-course', 'tutorial'])),
    steps: types.array(types.model({ content: types.maybe(types.string), media: types.maybe(types.string) })),
  }),
  field_guide: types.model('field_guide', {
    ...identified, language: types.optional(types.string, 'en'),
    items: types.array(types.model({
      content: types.optional(types.string, ''), icon: types.optional(types.string, ''),
      title: types.optional(types.string, ''),
    })),
  }),
  medium: types.model('medium', {
    ...identified, content_type: types.string, external_link: types.boolean, href: types.string,
    media_type: types.string, metadata: object, src: types.refinement(types.string, text => text !== ''),
    links: types.model({ linked: types.model({ href: types.string, id: types.string, type: types.string }) }),
  }),
  preferences: types.model('preferences', {
    ...identified, activity_count: types.maybe(types.number), activity_count_by_workflow: types.maybe(object),
    links: types.model({ project: types.string, user: types.string }),
    preferences: types.maybe(types.model({
      minicourses: types.maybe(anything), selected_workflow: types.maybe(types.string),
      tutorials_completed_at: types.maybe(object),
    })),
    settings: types.maybe(types.model({ workflow_id: types.maybe(types.string) })),
  }),
  translation: types.model('translation', {
    language: types.string, strings: texts, translated_id: types.union(types.number, types.string),
  }),
  role: types.model('role', {
    roles: types.array(types.string), links: types.model({ owner: types.model({ id: digits }) }),
  }),
  user: types.model('user', {
    ...identified, login: types.string, display_name: types.string, avatar_src: types.maybeNull(types.string),
    admin: flag, credited_name: types.maybeNull(types.string),
  }),
  recent: types.model('recent', {
    ...identified, locations: types.array(location), links: types.model({ subject: types.string }),
  }),
  // A project's page knows more of the project than its classifier does.
  projectPage: types.model('projectPage', {
    ...identified, beta_approved: flag, beta_requested: flag, classifications_count: count,
    classifiers_count: count, configuration: object, completeness: count, experimental_tools: list,
    launch_approved: flag, live: flag, links: links(['active_workflows', 'workflows']),
    primary_language: types.optional(types.string, 'en'), retired_subjects_count: count,
    slug: types.string, subjects_count: count, urls: list, description: types.string,
    display_name: types.string, introduction: types.string, researcher_quote: types.string,
    title: types.string, workflow_description: types.string,
  }),
  workflowCard: types.model('workflowCard', {
    ...identified, completeness: types.number, grouped: types.boolean, links: links(['subject_sets']),
  }),
}
