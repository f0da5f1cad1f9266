// The slider of a film in the gallery: it shows the round that was asked for, and stops.
function filmOf(rounds) {
  const [animation] = rounds.querySelector("img").getAnimations();
  const slider = rounds.querySelector("[type=range]");
  const step = animation.effect.getComputedTiming().duration / slider.max;
  return { animation, slider, step };
}

document.addEventListener("input", ({ target }) => {
  const rounds = target.closest(".rounds");
  if (!rounds || target.type !== "range") return;
  rounds.querySelector("[type=checkbox]").checked = false;
  const { animation, step } = filmOf(rounds);
  animation.currentTime = (target.value - 0.5) * step;
});

// While the film plays, the slider goes along.
setInterval(() => {
  for (const rounds of document.querySelectorAll(".rounds:has(.play input:checked)")) {
    const { animation, slider, step } = filmOf(rounds);
    slider.value = 1 + (Math.floor(animation.currentTime / step) % slider.max);
  }
}, 250);
