// Paints a puppet. Patterns are computed at the *rest position* of a point, so that they move with the skin.
// KIND: 0 skin, 1 eyes, teeth and tongue, 2 loose hair, 3 lashes. One program each: the software driver runs
// every branch for every pixel.
in vec3 normal; in vec3 place; in vec3 rest; in vec4 masks; in float occlusion; flat in int part;
out vec4 colour;
uniform vec3 skin, lips, eyes, hair, brows, cloth;  // sRGB
uniform float blush, freckles, mottle, shine, wrinkles, under_eyes, lid_shade, brow_width, brow_density, brow_lift,
    lashes, stubble, beard, moustache, hairline, pattern_seed;
uniform float hair_kind;      // 0 bald, 1 shaved, 2 short, 3 a cap of hair over it, 4 hanging hair
uniform float fringe, frame_face;
uniform float hair_end;       // y below which loose hair is cut
uniform vec3 eye_left, eye_right;  // rest centres
uniform vec4 crease;          // forehead, between the brows, beside the eyes, nose to mouth: 0..1
uniform vec3 light_to[3]; uniform vec3 light_colour[3]; uniform vec3 ambient_up, ambient_down;
uniform float roughness;
uniform vec3 key_to;          // towards the light of a flat drawing

float hash(vec3 p) {
    p = fract(p * vec3(0.1031, 0.1030, 0.0973)); p += dot(p, p.yxz + 33.33); return fract((p.x + p.y) * p.z);
}
#ifdef FLAT
float noise(vec3 p) { return 0.5; }  // no spots, no strands, no ragged edges
#else
float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p); f = f * f * (3.0 - 2.0 * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1,0,0)), f.x), mix(hash(i + vec3(0,1,0)), hash(i + vec3(1,1,0)), f.x), f.y),
               mix(mix(hash(i + vec3(0,0,1)), hash(i + vec3(1,0,1)), f.x),
                   mix(hash(i + vec3(0,1,1)), hash(i + vec3(1,1,1)), f.x), f.y), f.z);
}
#endif
vec3 linear(vec3 c) { return pow(max(c, 0.0), vec3(2.2)); }
float bell(float x, float width) { return exp(-x * x / (width * width)); }

// How much of a hair-bearing scalp point this is, 0..1.
float scalp(vec3 p, float ragged) {
    float around = atan(abs(p.x), p.z + 0.075);  // 0 front .. pi back
    float line = around < 0.9 ? mix(0.074, 0.050, around / 0.9)
               : around < 1.35 ? mix(0.050, -0.015, (around - 0.9) / 0.45)
               : mix(-0.02, -0.085, clamp((around - 1.35) / 1.2, 0.0, 1.0));
    line += 0.018 * hairline * (1.0 - smoothstep(0.9, 1.4, around));
    line += 0.016 * max(hairline, 0.0) * bell(around - 0.55, 0.3);  // receding corners
    return smoothstep(-0.004, 0.005, p.y - line + ragged) * (1.0 - smoothstep(0.2, 0.6, masks.z));
}
float brow(vec3 p, float strokes) {
    float x = abs(p.x);
    float s = (x - 0.0105) / 0.046;  // 0 inner end .. 1 outer end
    float centre = 0.0165 + 0.0105 * s - 0.0085 * s * s * s + brow_lift * 0.0015 * (1.0 - s * 0.3) - 0.0028;
    float thick = mix(0.0021, 0.0058, brow_width) * (1.05 - 0.65 * s * s);
    float edge = 1.0 - smoothstep(0.55, 1.15, abs(p.y - centre) / thick + 0.5 * (strokes - 0.5));
    return edge * smoothstep(-0.06, 0.1, s) * (1.0 - smoothstep(0.85, 1.08, s)) * step(0.0, p.z + 0.03)
         * mix(0.6, 1.0, strokes);
}
float whiskers(vec3 p) {  // where a beard grows
    float low = smoothstep(-0.045, -0.065, p.y + 0.25 * max(abs(p.x) - 0.045, 0.0) * -1.0);
    float cheek = smoothstep(-0.038, -0.062, p.y - 1.05 * max(abs(p.x) - 0.03, 0.0));
    float neck = smoothstep(-0.165, -0.135, p.y);
    float front = smoothstep(-0.085, -0.06, p.z);
    float round_mouth = 1.0 - bell(length(vec2(p.x * 0.9, p.y + 0.074)) , 0.012);
    return cheek * neck * front * round_mouth * (1.0 - masks.x) * (1.0 - smoothstep(0.2, 0.6, masks.z));
}
float lip_hair(vec3 p) {
    float y = p.y + 0.0585 + abs(p.x) * 0.18;
    return bell(y, 0.0052) * (1.0 - smoothstep(0.022, 0.031, abs(p.x))) * step(0.0, p.z) * (1.0 - masks.x);
}

void main() {
    vec3 n = normalize(normal);
    if (!gl_FrontFacing) n = -n;
    vec3 to_eye = normalize(-place);
    vec3 p = rest + vec3(pattern_seed * 0.37, 0.0, 0.0);
    float alpha = 1.0, ink = 0.0;  // ink: a dark line of a flat drawing
    vec3 base; float gloss = 0.3, hardness = 24.0, shade = mix(0.32, 1.0, occlusion), soft = 0.25;
#if KIND == 1
    if (part == 1 || part == 2) {  // eyes: iris and pupil by the angle from the rest gaze
        vec3 d = normalize(rest - (part == 1 ? eye_left : eye_right));
        float angle = acos(clamp(d.z, -1.0, 1.0));
        float spokes = noise(vec3(atan(d.y, d.x) * 9.0, angle * 14.0, pattern_seed));
        vec3 iris = linear(eyes) * (0.65 + 0.8 * spokes) * mix(1.25, 0.45, smoothstep(0.28, 0.44, angle));
        vec3 white = linear(vec3(0.86, 0.83, 0.80)) * (1.0 - 0.35 * smoothstep(0.6, 1.1, angle));
        base = mix(iris, white, smoothstep(0.40, 0.45, angle));
        base = mix(vec3(0.005), base, smoothstep(0.15, 0.19, angle));
        gloss = 1.6; hardness = 120.0; soft = 0.5;
        shade = mix(0.62, 0.95, smoothstep(0.012, -0.004, rest.y));  // the upper lid's shadow
#ifdef FLAT
        base = angle > 0.47 ? vec3(0.95) : linear(eyes) * (d.y > 0.06 ? 0.5 : 1.0);
        ink = max(bell(angle - 0.44, 0.03), 1.0 - step(0.2, angle));
        if (length(vec2(d.x - 0.13, d.y - 0.15)) < 0.1) { base = vec3(1.0); ink = 0.0; }  // the light in the eye
#endif
    } else if (part == 3 || part == 4) {
        base = linear(vec3(0.86, 0.82, 0.74)) * smoothstep(-0.012, 0.014, rest.z); gloss = 0.8; hardness = 60.0; shade = 0.7;
    } else {
        base = linear(vec3(0.66, 0.33, 0.33)) * smoothstep(-0.03, 0.012, rest.z) * 0.8; gloss = 0.5; shade = 0.6;
    }
#elif KIND == 3
        alpha = 0.55 * lashes * smoothstep(0.0, 0.6, noise(vec3(rest.x * 1400.0, 0.0, pattern_seed)));
        base = vec3(0.01); gloss = 0.0; shade = 1.0;
#ifdef FLAT
        alpha = 0.75 * lashes; ink = 1.0;
#endif
#elif KIND == 2
        float strand = noise(vec3(rest.x * 420.0, rest.y * 18.0, rest.z * 420.0) + pattern_seed);
        float lock = noise(vec3(rest.x * 90.0, rest.y * 9.0, rest.z * 90.0) + pattern_seed);
        float around = atan(abs(rest.x), rest.z + 0.075);  // open in front, over the face
        float open_at = mix(0.066 - 0.03 * fringe, 0.05, smoothstep(0.3, 0.9, around));
        if (around < 1.45 - 0.35 * frame_face && rest.y < open_at + 0.012 * (lock - 0.5) + 0.008 * (strand - 0.5)) discard;
        if (hair_kind < 3.5 && around < 1.7 && rest.y < 0.012 + 0.02 * (lock - 0.5)) discard;  // the ears are free
        if (rest.y < hair_end + 0.035 * (lock - 0.5) + 0.02 * (strand - 0.5)) discard;
        base = linear(hair) * (0.45 + 0.75 * strand) * (0.7 + 0.6 * lock);
        n = normalize(n + 0.35 * (vec3(strand, lock, strand) - 0.5)); gloss = 0.5 * shine; hardness = 14.0; shade = 1.0;
#else
        float fine = noise(p * 900.0), mid = noise(p * 260.0), broad = noise(p * 60.0), large = noise(p * 22.0);
        base = linear(skin);
        base *= 1.0 + mottle * (0.14 * (fine - 0.5) + 0.22 * (mid - 0.5) + 0.25 * (broad - 0.5) + 0.25 * (large - 0.5));
        float cheeks = bell(length(vec2(abs(rest.x) - 0.042, rest.y + 0.040)), 0.026) * step(-0.03, rest.z);
        float nose_tip = bell(length(vec2(rest.x, rest.y + 0.043)), 0.016);
        base = mix(base, base * vec3(1.12, 0.78, 0.76), clamp(blush * (cheeks + 0.7 * nose_tip), 0.0, 1.0));
        float spots = smoothstep(0.80, 0.88, noise(p * 420.0 + 7.0)) * (cheeks + nose_tip + 0.25);
        base = mix(base, base * vec3(0.62, 0.48, 0.40), clamp(freckles * spots, 0.0, 0.8));
        float bags = bell(length(vec2((abs(rest.x) - 0.030) * 0.55, rest.y + 0.017)), 0.009) * step(-0.02, rest.z);
        base *= 1.0 - under_eyes * 0.35 * bags;
        base = mix(base, base * vec3(0.62, 0.50, 0.50), lid_shade * masks.y);
        float red = smoothstep(0.15, 0.75, masks.x);
#ifdef FLAT
        ink = 0.5 * bell(red - 0.35, 0.25);
        red = step(0.4, red);
#endif
        base = mix(base, linear(lips) * (0.92 + 0.16 * mid), red);
        gloss = 0.12 + 0.4 * shine * (0.4 + 0.6 * bell(rest.x, 0.03)) + 0.5 * masks.x; hardness = mix(40.0, 12.0, roughness);
        // lines: some with age, some with what the face does
        float lines = 0.0;
        float forehead = bell(rest.y - 0.052, 0.02) * bell(rest.x, 0.045) * step(0.0, rest.z);
        lines += forehead * (0.08 * wrinkles + crease.x) * bell(fract((rest.y + 0.003 * broad) * 95.0) - 0.5, 0.16);
        lines += bell(rest.y - 0.022, 0.014) * (0.2 * wrinkles + crease.y) * bell(abs(rest.x) - 0.0055, 0.0016) * step(0.0, rest.z);
        float side = bell(length(vec2(abs(rest.x) - 0.055, rest.y - 0.002)), 0.010);
        lines += side * (0.3 * wrinkles + crease.z) * bell(fract((rest.y - (abs(rest.x) - 0.05) * 0.5 * sign(rest.y - 0.002)) * 260.0) - 0.5, 0.2);
        vec2 fold = vec2(abs(rest.x) - (0.017 + 0.45 * clamp(-rest.y - 0.042, 0.0, 0.035)), rest.y + 0.057);
        lines += bell(fold.x, 0.0030) * bell(fold.y, 0.018) * (0.25 * wrinkles + 0.5 * crease.w) * step(0.0, rest.z);
#ifdef FLAT
        ink = max(ink, 0.8 * smoothstep(0.25, 0.4, lines));
#endif
        base *= 1.0 - 0.42 * clamp(lines, 0.0, 1.0);
        n = normalize(n + mottle * 0.10 * (vec3(fine, mid, 1.0 - fine) - 0.5));
        // hair that lies on the skin
        float grain = noise(vec3(rest.x * 1500.0, rest.y * 700.0, rest.z * 1500.0));
        float grows = whiskers(rest), above = lip_hair(rest);
        float cover = max(grows * max(beard, 0.30 * stubble), above * max(moustache, 0.30 * stubble));
#ifdef FLAT
        cover = step(0.3, cover);
#endif
        base = mix(base, linear(hair * 0.8), clamp(cover * (0.55 + 0.75 * grain), 0.0, 0.97));
        float bald_top = hair_kind < 0.5 ? smoothstep(0.09, 0.04, rest.y) * 0.6 * step(rest.z, -0.02) : 1.0;
        float head_hair = scalp(rest, 0.014 * (mid - 0.5) + 0.005 * (grain - 0.5)) * bald_top;
        float opaque = hair_kind < 1.5 ? 0.35 + 0.4 * grain : 0.88 + 0.12 * grain;
        float strand = noise(vec3(rest.x * 500.0, rest.y * 60.0, rest.z * 240.0) + pattern_seed);
        float browy = brow(rest, grain);
#ifdef FLAT
        ink = max(ink, bell(head_hair - 0.4, 0.3) * step(1.5, hair_kind));
        head_hair = step(0.5, head_hair); browy = step(0.3, browy) * 1.2;
#endif
        base = mix(base, linear(hair) * (0.5 + 0.8 * strand), head_hair * opaque);
        base = mix(base, linear(brows) * (0.8 + 0.4 * grain), browy * brow_density);
        float hairy = max(max(head_hair, cover), browy); gloss *= 1.0 - 0.7 * hairy;
        n = normalize(n + 0.5 * hairy * (vec3(grain, strand, grain) - 0.5));
        float inside = smoothstep(0.3, 0.9, masks.w);
        base = mix(base, linear(vec3(0.30, 0.09, 0.08)) * smoothstep(-0.03, 0.02, rest.z), inside);
        if (inside > 0.5) gloss = 0.2;
        float collar = -0.165 - 0.035 * bell(rest.x, 0.05) * step(-0.06, rest.z) + 0.02 * smoothstep(-0.04, -0.12, rest.z);
        if (rest.y < collar) {
            base = linear(cloth) * (0.8 + 0.3 * mid) * (rest.y > collar - 0.004 ? 0.6 : 1.0); gloss = 0.02; soft = 0.1;
#ifdef FLAT
            ink = step(collar - 0.003, rest.y);
#endif
        } else {
            soft = 0.35;
        }
#endif
#ifdef FLAT
    // Light in three steps, and one of shine.
    float key = dot(n, key_to) - 0.5 * (1.0 - shade);
    float shine_at = dot(n, normalize(key_to + to_eye));
    vec3 c = base * (key > 0.15 ? 1.0 : key > -0.3 ? 0.66 : 0.42);
#if KIND == 1
    if (part < 3) c = base;
#elif KIND == 2
    c = mix(c, vec3(1.0), 0.25 * smoothstep(0.975, 0.985, shine_at));
#endif
    c = mix(c, vec3(0.004), clamp(ink, 0.0, 1.0));
#else
    vec3 light = mix(ambient_down, ambient_up, 0.5 + 0.5 * n.y) * shade;
    vec3 shiny = vec3(0.0);
    for (int i = 0; i < 3; i++) {
        float facing = dot(n, light_to[i]);
        // light bleeds round the edge of skin, red farthest
        vec3 wrap = soft * vec3(1.0, 0.62, 0.5);
        vec3 lit = max((vec3(facing) + wrap) / (1.0 + wrap), 0.0);
        light += light_colour[i] * lit * mix(1.0, shade, 0.6);
        vec3 half_way = normalize(light_to[i] + to_eye);
        shiny += light_colour[i] * pow(max(dot(n, half_way), 0.0), hardness) * step(0.0, facing) * shade;
    }
    float rim = pow(1.0 - max(dot(n, to_eye), 0.0), 4.0);
    vec3 c = base * light + gloss * 0.22 * shiny + 0.10 * rim * ambient_up * shade * gloss;
    c = c / (1.0 + 0.25 * c);
#endif
    colour = vec4(pow(max(c, 0.0), vec3(1.0 / 2.2)), alpha);
}
