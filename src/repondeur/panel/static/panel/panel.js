// What a page can do better with JavaScript. Each page works without it.
(function () {
  'use strict'

  document.documentElement.classList.add('js')

  // An open menu closes on a click elsewhere and on Escape.
  const menus = () => document.querySelectorAll('details.menu[open]')
  document.addEventListener('click', (event) => {
    for (const menu of menus()) {
      if (!menu.contains(event.target)) menu.open = false
    }
  })
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return
    for (const menu of menus()) {
      menu.open = false
      menu.querySelector('summary').focus()
    }
  })

  // The list is fetched anew while something is under way: an open menu stays open, and focused.
  let kept = null
  document.addEventListener('htmx:beforeSwap', () => {
    const [menu] = menus()
    const items = menu ? [...menu.querySelectorAll('summary, a, button')] : []
    kept = menu && { id: menu.id, focus: items.indexOf(document.activeElement) }
  })
  document.addEventListener('htmx:afterSwap', () => {
    const menu = kept && document.getElementById(kept.id)
    if (!menu) return
    menu.open = true
    const item = menu.querySelectorAll('summary, a, button')[kept.focus]
    if (item) item.focus({ preventScroll: true })
  })

  // A placeholder becomes a button that writes it where the cursor is.
  function insert (field, words) {
    const page = document.getElementById('editor-page')
    if (page && page.offsetParent) { // rich text is chosen
      page.focus()
      document.execCommand('insertText', false, words)
      return
    }
    field.setRangeText(words, field.selectionStart, field.selectionEnd, 'end')
    field.focus()
    field.dispatchEvent(new Event('input', { bubbles: true }))
  }
  function offerPlaceholders () {
    const field = document.getElementById('id_text')
    for (const code of document.querySelectorAll('code[data-insert]')) {
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'insert'
      button.textContent = code.dataset.insert
      button.addEventListener('mousedown', (event) => event.preventDefault()) // the cursor stays
      button.addEventListener('click', () => insert(field, code.dataset.insert))
      code.replaceWith(button)
    }
  }

  // The first mistake is where the cursor goes.
  function focusMistake () {
    const wrong = document.querySelector('[aria-invalid="true"]')
    if (wrong) wrong.focus()
  }

  // A mistake that is being mended is no longer marked.
  function forgive (event) {
    const field = event.target.closest('.wrong')
    if (!field) return
    field.classList.remove('wrong')
    event.target.removeAttribute('aria-invalid')
  }
  document.addEventListener('input', forgive)
  document.addEventListener('change', forgive)

  // A form is sent once, however often its button is pressed.
  document.addEventListener('submit', (event) => {
    const form = event.target
    if (form.method !== 'post') return
    if (form.dataset.sent) {
      event.preventDefault()
      return
    }
    form.dataset.sent = 'yes'
  })
  // Back from the next page: the form may be sent again.
  window.addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent
  })

  document.addEventListener('DOMContentLoaded', () => {
    if (document.getElementById('placeholders')) offerPlaceholders()
    focusMistake()
  })
})()
