in vec3 normal; in vec3 place; out vec4 colour;
uniform vec3 tint; uniform vec3 light_to[3]; uniform vec3 light_colour[3]; uniform vec3 ambient_up;
void main() {
    vec3 n = normalize(normal), to_eye = normalize(-place); vec3 c = pow(tint, vec3(2.2)) * ambient_up;
    for (int i = 0; i < 3; i++) {
        c += pow(tint, vec3(2.2)) * light_colour[i] * max(dot(n, light_to[i]), 0.0);
        c += 0.3 * light_colour[i] * pow(max(dot(n, normalize(light_to[i] + to_eye)), 0.0), 40.0);
    }
#ifdef FLAT
    c = pow(tint, vec3(2.2)) * (n.y > 0.3 ? 1.5 : 1.0);  // lit from above
#endif
    colour = vec4(pow(c / (1.0 + 0.25 * c), vec3(1.0 / 2.2)), 1.0);
}
